"""Federated identity credential: whose tokens a user-assigned identity takes for its own."""

from sandbox.arm.kind import Kind, Name, Refusal
from sandbox.arm.resource import Resource, View
from sandbox.types.managedidentity.user_assigned_identity import IDENTITY

FEDERATED = f"{IDENTITY}/federatedIdentityCredentials"
_MOST = 20


class FederatedIdentityCredential(Kind):
    """``Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials``."""

    arm_type = FEDERATED
    level = "enforced"
    name = Name(
        r"[A-Za-z0-9][-\w]{2,119}",
        "3-120 letters, digits, hyphens or underscores, starting with a letter or digit",
    )
    provisioning = False
    differs = {
        "properties.issuer": "nobody asks it for its keys: the sandbox issues the tokens of every issuer by itself"
    }

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """An issuer, a subject and one audience; the first two unlike those of the identity's others."""
        for part in ("issuer", "subject"):
            if not str(new.get(f"properties.{part}") or ""):
                raise Refusal(400, "BadRequest", f"properties.{part} of '{new.name}' is missing.")
        if not str(new["properties.issuer"]).startswith("https://"):
            raise Refusal(400, "BadRequest", f"properties.issuer is '{new['properties.issuer']}': want an https URL.")
        audiences = new.get("properties.audiences") or []
        if len(audiences) != 1:
            raise Refusal(400, "BadRequest", f"properties.audiences has {len(audiences)} values, and must have one.")
        others = [each for each in view.children(new.id.parent, FEDERATED) if each.id.key != new.id.key]
        if len(others) >= _MOST:
            raise Refusal(400, "BadRequest", f"An identity has up to {_MOST} federated identity credentials.")
        for other in others:
            if all(other[f"properties.{part}"] == new[f"properties.{part}"] for part in ("issuer", "subject")):
                raise Refusal(
                    409, "Conflict", f"'{other.name}' has the same issuer and subject; their combination is unique."
                )
