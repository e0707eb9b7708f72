"""Built-in roles that the access check knows, by role definition id, and how custom ones are read.

Source: learn.microsoft.com, "Azure built-in roles".
"""

import fnmatch
import itertools
import json
import re
from dataclasses import dataclass, field
from functools import lru_cache

_MOST_BETWEEN = 4  # pieces between which stars may stand for nothing; each more doubles the ways
DEFINITION = "Microsoft.Authorization/roleDefinitions"


@dataclass(frozen=True)
class Role:
    """What a role allows.

    Attributes:
        name: as Azure shows it.
        actions: control-plane actions, with ``*``.
        not_actions: taken out of them.
        data_actions: data-plane actions, with ``*``.
        not_data_actions: taken out of them.
    """

    name: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = field(default=())
    not_data_actions: tuple[str, ...] = field(default=())

    def allows(self, action: str, data: bool) -> bool:
        """Whether the role covers an action."""
        given, taken = (self.data_actions, self.not_data_actions) if data else (self.actions, self.not_actions)
        return any(_match(pattern, action) for pattern in given) and not any(
            _match(pattern, action) for pattern in taken
        )


@lru_cache(maxsize=256)
def custom(body: str) -> tuple[Role, ...]:
    """A custom role definition's permissions.

    Args:
        body: the definition as it is kept, JSON.
    """
    properties = json.loads(body)["properties"]
    parts = ("actions", "notActions", "dataActions", "notDataActions")
    return tuple(
        Role(properties["roleName"], *(tuple(each.get(part) or ()) for part in parts))
        for each in properties["permissions"]
    )


@lru_cache(maxsize=16384)
def _match(pattern: str, action: str) -> bool:
    return any(expression.match(action) for expression in _expressions(pattern))


@lru_cache(maxsize=4096)
def _expressions(pattern: str) -> tuple[re.Pattern[str], ...]:
    """What a pattern means. A custom role may have any: however many stars it has, it is read in one go."""
    literal = pattern.replace("[", "[[]").replace("?", "[?]")
    pieces = literal.split("/*/")
    # Between two slashes a star may stand for nothing: computes/*/write covers computes/write.
    between = ("/*/", "/")
    ways = itertools.product(between, repeat=len(pieces) - 1)
    if len(pieces) > _MOST_BETWEEN:
        ways = itertools.product(between[:1], repeat=len(pieces) - 1)
    spelled = ("".join(itertools.chain(*zip(pieces, (*way, ""), strict=True))) for way in ways)
    return tuple(re.compile(fnmatch.translate(each), re.IGNORECASE) for each in spelled)


_ML = "Microsoft.MachineLearningServices/workspaces/"
_BLOB = "Microsoft.Storage/storageAccounts/blobServices/"

ROLES: dict[str, Role] = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": Role("Owner", ("*",)),
    "b24988ac-6180-42a0-ab88-20f7382dd24c": Role(
        "Contributor", ("*",), ("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write")
    ),
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": Role("Reader", ("*/read",)),
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": Role("User Access Administrator", ("*/read", "Microsoft.Authorization/*")),
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": Role(
        "Storage Blob Data Contributor",
        (
            f"{_BLOB}containers/delete",
            f"{_BLOB}containers/read",
            f"{_BLOB}containers/write",
            f"{_BLOB}generateUserDelegationKey/action",
        ),
        data_actions=(f"{_BLOB}containers/blobs/*",),
    ),
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": Role(
        "Storage Blob Data Owner",
        (f"{_BLOB}containers/*", f"{_BLOB}generateUserDelegationKey/action"),
        data_actions=(f"{_BLOB}containers/blobs/*",),
    ),
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": Role(
        "Storage Blob Data Reader",
        (f"{_BLOB}containers/read", f"{_BLOB}generateUserDelegationKey/action"),
        data_actions=(f"{_BLOB}containers/blobs/read",),
    ),
    "69566ab7-960f-475b-8e7c-b3118f30c6bd": Role(
        "Storage File Data Privileged Contributor",
        (),
        data_actions=("Microsoft.Storage/storageAccounts/fileServices/*",),
    ),
    "00482a5a-887f-4fb3-b363-3b7fe8e74483": Role(
        "Key Vault Administrator",
        ("Microsoft.KeyVault/*/read",),
        data_actions=("Microsoft.KeyVault/vaults/*",),
    ),
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": Role(
        "Key Vault Secrets Officer",
        ("Microsoft.KeyVault/*/read",),
        data_actions=("Microsoft.KeyVault/vaults/secrets/*",),
    ),
    "4633458b-17de-408a-b874-0445c86b69e6": Role(
        "Key Vault Secrets User",
        (),
        data_actions=(
            "Microsoft.KeyVault/vaults/secrets/getSecret/action",
            "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
        ),
    ),
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": Role("AcrPull", ("Microsoft.ContainerRegistry/registries/pull/read",)),
    "8311e382-0749-4cb8-b61a-304f252e45ec": Role(
        "AcrPush",
        (
            "Microsoft.ContainerRegistry/registries/pull/read",
            "Microsoft.ContainerRegistry/registries/push/write",
        ),
    ),
    "f6c7c914-8db3-469d-8ca1-694a8f32e121": Role(
        "AzureML Data Scientist",
        (
            f"{_ML}*/read",
            f"{_ML}*/action",
            f"{_ML}*/delete",
            f"{_ML}*/write",
            "Microsoft.MachineLearningServices/workspaces/read",
        ),
        (
            f"{_ML}delete",
            f"{_ML}write",
            f"{_ML}computes/*/write",
            f"{_ML}computes/*/delete",
            f"{_ML}computes/listKeys/action",
            f"{_ML}listKeys/action",
            f"{_ML}hubs/write",
            f"{_ML}hubs/delete",
            f"{_ML}featurestores/write",
            f"{_ML}featurestores/delete",
        ),
    ),
    "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815": Role(
        "AzureML Compute Operator",
        (f"{_ML}computes/*", f"{_ML}notebooks/vm/*"),
        (),
    ),
    "1823dd4f-9b8c-4ab6-ab4e-7397a3684615": Role(
        "AzureML Registry User",
        (
            "Microsoft.MachineLearningServices/registries/read",
            "Microsoft.MachineLearningServices/registries/assets/*",
        ),
    ),
    "635dd51f-9968-44d3-b7fb-6d9a6bd613ae": Role("AzureML Metrics Writer (preview)", (f"{_ML}metrics/*/write",)),
    "f1a07417-d97a-45cb-824c-7a7467783830": Role(
        "Managed Identity Operator",
        (
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
        ),
    ),
    "73c42c96-874c-492b-b04d-ab87d138a893": Role(
        "Log Analytics Reader", ("*/read", "Microsoft.OperationalInsights/workspaces/analytics/query/action")
    ),
    "3913510d-42f4-4e42-8a64-420c390055eb": Role(
        "Monitoring Metrics Publisher",
        ("Microsoft.Insights/Register/Action",),
        data_actions=("Microsoft.Insights/Metrics/Write", "Microsoft.Insights/Telemetry/Write"),
    ),
}
