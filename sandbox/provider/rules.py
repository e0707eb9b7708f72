"""What the provider package's types do not tell: which changes replace a resource, and how names are made.

Sources: ``x-ms-mutability`` (create, read) in Azure/azure-rest-api-specs for the API versions of
pulumi-azure-native 3.29, and that provider's own list of additions.
"""

from sandbox import clock
from sandbox.arm.schema import ResourceType

# Beside names in the path and `location`, which always replace.
_CREATE_ONLY: dict[str, frozenset[str]] = {
    "authorization:RoleAssignment": frozenset({"principalId"}),
    "storage:StorageAccount": frozenset({"isHnsEnabled"}),
    "storage:FileShare": frozenset({"enabledProtocols"}),
    "machinelearningservices:CodeVersion": frozenset({"properties.codeUri"}),
    "machinelearningservices:ComponentVersion": frozenset({"properties.componentSpec"}),
    "machinelearningservices:DataVersion": frozenset({"properties.dataUri", "properties.dataType"}),
    "machinelearningservices:EnvironmentVersion": frozenset({"properties.image", "properties.condaFile"}),
    "machinelearningservices:ModelVersion": frozenset({"properties.modelUri", "properties.modelType"}),
}

# Names that only one resource below its parent can have.
_ONLY_NAME = {
    "storage:BlobServiceProperties": "default", "storage:FileServiceProperties": "default",
    "storage:QueueServiceProperties": "default", "storage:ManagementPolicy": "default",
    "storage:BlobContainerImmutabilityPolicy": "default",
}  # fmt: skip
_MADE_BY_AZURE = frozenset({
    "storage:BlobServiceProperties", "storage:FileServiceProperties", "storage:QueueServiceProperties",
})  # fmt: skip
_UUIDS = frozenset({"roleAssignmentName", "roleDefinitionId"})
RANDOMLY_NAMED = "__createBeforeDelete"


def replaces(kind: ResourceType, path: str) -> bool:
    """Whether a change of this property, given without list indices, needs a new resource."""
    short = kind.token.removeprefix("azure-native:")
    return path in kind.parameters or path == "location" or path in _CREATE_ONLY.get(short, ())


def singleton(kind: ResourceType) -> bool:
    """Whether Azure makes the resource along with its parent, under its only name."""
    return kind.token.removeprefix("azure-native:") in _MADE_BY_AZURE


def same_location(one: object, other: object) -> bool:
    """Whether two spellings, such as ``West Europe`` and ``westeurope``, are one region."""
    return isinstance(one, str) and isinstance(other, str) and _bare(one) == _bare(other)


def _bare(location: str) -> str:
    return location.replace(" ", "").lower()


def new_name(kind: ResourceType, logical: str) -> tuple[str, bool]:
    """A physical name for a resource that has none, and whether it is random."""
    short = kind.token.removeprefix("azure-native:")
    if short in _ONLY_NAME:
        return _ONLY_NAME[short], False
    if kind.name_input in _UUIDS:
        return clock.new_id(), True
    return f"{logical}{clock.new_hex(8)}", True
