"""User-assigned managed identity: a principal that several resources share."""

from sandbox.arm.accept import make_principal
from sandbox.arm.kind import Kind, Name
from sandbox.arm.resource import Change, Resource
from sandbox.constants import TENANT_ID

IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
ASSIGN = f"{IDENTITY}/assign/action"


class UserAssignedIdentity(Kind):
    """``Microsoft.ManagedIdentity/userAssignedIdentities``."""

    arm_type = IDENTITY
    level = "enforced"
    name = Name(
        r"[A-Za-z0-9][-\w]{2,127}",
        "3-128 letters, digits, hyphens or underscores, starting with a letter or digit",
    )
    tracked = True
    provisioning = False

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """The principal is made once and kept."""
        if old:
            ids = (old["properties.principalId"], old["properties.clientId"])
        else:
            ids = make_principal(change, new, new.name)
        new.properties.update(principalId=ids[0], clientId=ids[1], tenantId=TENANT_ID)
