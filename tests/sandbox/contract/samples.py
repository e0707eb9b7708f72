"""One sample of every kind: where it stands, what a client sends, what must be there before.

A new kind needs one entry here; ``test_every_kind.py`` then holds it to everything that is the same for all kinds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.constants import OBJECT_ID
from tests.sandbox.conftest import SUBSCRIPTION, Sandbox

GROUP = f"{SUBSCRIPTION}/resourceGroups/contract"
BLOB_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
ML = "Microsoft.MachineLearningServices"
WORKSPACE = f"{GROUP}/providers/{ML}/workspaces/contract-ws"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/contractstore"
IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/contract-id"


@dataclass(frozen=True)
class Sample:
    """A resource that a test can make.

    Attributes:
        path: its id.
        body: what PUT sends; a function when it depends on the sandbox.
        needs: ARM types whose samples must exist first.
        computed: dotted paths that Azure writes its own value into.
    """

    path: str
    body: dict[str, Any] | Callable[[Sandbox], dict[str, Any]]
    needs: tuple[str, ...] = ()
    computed: tuple[str, ...] = ()

    def content(self, sandbox: Sandbox) -> dict[str, Any]:
        """The body for one sandbox."""
        return self.body(sandbox) if callable(self.body) else self.body


SAMPLES: dict[str, Sample] = {
    "Microsoft.Resources/resourceGroups": Sample(GROUP, {"location": "westeurope", "tags": {"team": "ml"}}),
    "Microsoft.ManagedIdentity/userAssignedIdentities": Sample(
        IDENTITY, {"location": "westeurope", "tags": {"team": "ml"}}, ("Microsoft.Resources/resourceGroups",)
    ),
    "Microsoft.Authorization/roleAssignments": Sample(
        f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/7f0e3b52-6d0c-4a6c-9e5b-0a1b2c3d4e5f",
        {
            "properties": {
                "principalId": OBJECT_ID,
                "roleDefinitionId": f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{BLOB_READER}",
            }
        },
        ("Microsoft.Resources/resourceGroups",),
    ),
    "Microsoft.Authorization/roleDefinitions": Sample(
        f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/0d1e2f30-4152-6374-8596-a7b8c9daebfc",
        {
            "properties": {
                "roleName": "Contract reader",
                "permissions": [{"actions": ["*/read"]}],
                "assignableScopes": [SUBSCRIPTION],
            }
        },
    ),
}


def make(sandbox: Sandbox, arm_type: str) -> dict[str, Any]:
    """Make the sample of a type, and first what it needs; returns the answer of the last PUT."""
    sample = SAMPLES[arm_type]
    for needed in sample.needs:
        if sandbox.call("GET", SAMPLES[needed].path).status != 200:
            make(sandbox, needed)
    answer = sandbox.call("PUT", sample.path, sample.content(sandbox))
    assert answer.status in (200, 201), (arm_type, answer)
    settle(sandbox, sample.path)
    body: dict[str, Any] = answer.body
    return body


def settle(sandbox: Sandbox, path: str) -> dict[str, Any]:
    """Read until the resource is in a final state."""
    while True:
        answer = sandbox.call("GET", path)
        assert answer.status == 200, answer
        body: dict[str, Any] = answer.body
        if str(body.get("properties", {}).get("provisioningState", "Succeeded")) not in ("Creating", "Updating"):
            return body
