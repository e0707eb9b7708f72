"""Resource ids: parsed once, case kept, compared without case."""

from dataclasses import dataclass
from functools import lru_cache

from sandbox.arm.errors import ArmError

_SUBSCRIPTION = "microsoft.resources/subscriptions"
_WORDS = {"subscriptions": "subscriptions", "resourcegroups": "resourceGroups", "providers": "providers"}
_LONGEST = 2048  # letters; what was read is remembered, and nobody may fill the memory with it
_SHOWN = 256
_GROUP = "microsoft.resources/resourcegroups"


@dataclass(frozen=True)
class ResourceId:
    """Where a resource stands.

    Attributes:
        text: the id as written.
        type: its ARM type, such as ``Microsoft.Storage/storageAccounts/blobServices``.
        name: the last name.
        parent: id of the enclosing resource, group or subscription; '' for a subscription.
        scope: for an extension resource the id it extends, else the group or subscription.
    """

    text: str
    type: str
    name: str
    parent: str
    scope: str

    @property
    def key(self) -> str:
        """The id as the store keeps it."""
        return self.text.lower()

    @property
    def kind(self) -> str:
        """The type as the store keeps it."""
        return self.type.lower()

    @property
    def subscription(self) -> str:
        """The subscription's id, '' when the resource is not in one."""
        parts = self.text.split("/")
        return parts[2] if len(parts) > 2 and parts[1].lower() == "subscriptions" else ""

    @property
    def group(self) -> str:
        """The resource group's name, '' when the resource is not in one."""
        parts = self.text.split("/")
        return parts[4] if len(parts) > 4 and parts[3].lower() == "resourcegroups" else ""


@lru_cache(maxsize=65536)
def parse(text: str) -> ResourceId:
    """Read an id.

    Raises:
        ArmError: 400 InvalidResourceId, naming the text.
    """
    parts = text.strip("/").split("/")
    if "" in parts or len(text) > _LONGEST:
        raise _invalid(text)
    # Azure Resource Manager answers these words in its own case, whatever the request had.
    parts = [_WORDS.get(part.lower(), part) if i % 2 == 0 else part for i, part in enumerate(parts)]
    cut = max((i for i, part in enumerate(parts) if part.lower() == "providers"), default=None)
    text = "/" + "/".join(parts)
    if cut is None:
        return _scope(text, parts)
    names = parts[cut + 2 :]
    if len(names) < 2 or len(names) % 2:
        raise _invalid(text)
    scope = "/" + "/".join(parts[:cut]) if cut else ""
    kind = "/".join([parts[cut + 1], *names[::2]])
    if kind.lower() in (_SUBSCRIPTION, _GROUP):  # they stand where their own words say, and nowhere else
        raise _invalid(text)
    parent = "/" + "/".join(parts[:-2]) if len(names) > 2 else scope
    return ResourceId(text, kind, names[-1], parent, scope)


def _scope(text: str, parts: list[str]) -> ResourceId:
    if parts[0].lower() == "subscriptions" and len(parts) == 2:
        return ResourceId(text, "Microsoft.Resources/subscriptions", parts[1], "", "")
    if parts[0].lower() == "subscriptions" and len(parts) == 4 and parts[2].lower() == "resourcegroups":
        above = "/" + "/".join(parts[:2])
        return ResourceId(text, "Microsoft.Resources/resourceGroups", parts[3], above, above)
    raise _invalid(text)


def _invalid(text: str) -> ArmError:
    return ArmError(
        400,
        "InvalidResourceId",
        f"'{text[:_SHOWN]}' is no resource id: "
        "want /subscriptions/ID[/resourceGroups/NAME][/providers/NAMESPACE/TYPE/NAME...].",
    )
