"""Key vault: an Azure-wide name that stays taken after a deletion until the vault is purged.

Not here: its secrets (planes/vault.py), deleted vaults (deleted_vault.py).
"""

from sandbox.arm.kind import Body, Kind, Name, Refusal, SoftDelete
from sandbox.arm.resource import Change, Resource, View, drop, present
from sandbox.constants import TENANT_ID

UNIQUE = "vault"


class Vault(Kind):
    """``Microsoft.KeyVault/vaults``."""

    arm_type = "Microsoft.KeyVault/vaults"
    level = "enforced"
    name = Name(
        r"(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]",
        "3-24 letters, digits and single hyphens, starting with a letter, ending with a letter or digit", UNIQUE,
        invalid="VaultNameNotValid", taken="VaultAlreadyExists",
    )  # fmt: skip
    tracked = True
    system_data = True
    created = 200
    soft_delete = SoftDelete("properties.createMode", "recover")
    frozen = ("properties.softDeleteRetentionInDays",)
    defaults = {
        "properties.enableSoftDelete": True,
        "properties.softDeleteRetentionInDays": 90,
        "properties.enableRbacAuthorization": True,
        "properties.enabledForDeployment": False,
        "properties.publicNetworkAccess": "Enabled",
        "properties.accessPolicies": [],
    }
    differs = {
        "properties.networkAcls": "kept, not enforced: every client is on this machine",
        "properties.accessPolicies": "kept; only roles give access",
        "keys, certificates": "not served; secrets are",
    }

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """The mode of a creation is not kept; what is protected stays so."""
        drop(new.body, "properties.createMode")
        if new.get("properties.enablePurgeProtection") is None:
            drop(new.body, "properties.enablePurgeProtection")

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Tenant, sku, retention, and the two switches that cannot be turned off."""
        tenant = new.get("properties.tenantId")
        if tenant != TENANT_ID:
            raise Refusal(
                400, "BadRequest", f"properties.tenantId is '{tenant}', the subscription's tenant is '{TENANT_ID}'."
            )
        if str(new.get("properties.sku.name")).lower() not in ("standard", "premium"):
            raise Refusal(
                400, "BadRequest",
                f"properties.sku.name is '{new.get('properties.sku.name')}': want standard or premium.",
            )  # fmt: skip
        if not 7 <= new["properties.softDeleteRetentionInDays"] <= 90:
            raise Refusal(
                400, "BadRequest",
                f"properties.softDeleteRetentionInDays is {new['properties.softDeleteRetentionInDays']}: want 7 to 90.",
            )  # fmt: skip
        if not new["properties.enableSoftDelete"]:
            raise Refusal(400, "BadRequest", "properties.enableSoftDelete cannot be set to false.")
        protected = new.get("properties.enablePurgeProtection")
        was_protected = bool(old and old.get("properties.enablePurgeProtection"))
        if protected is False or (was_protected and not protected):
            raise Refusal(
                400, "BadRequest",
                "properties.enablePurgeProtection cannot be set to false: it is on for good, or not mentioned.",
            )  # fmt: skip

    def kept_days(self, me: Resource, view: View) -> int:
        """As it says."""
        return int(me["properties.softDeleteRetentionInDays"])

    def outputs(self, me: Resource, view: View) -> Body:
        """Its address."""
        answer: Body = {"properties": {"vaultUri": f"https://{me.name.lower()}.vault.azure.net/"}}
        if not present(me.body, "properties.networkAcls"):
            answer["properties"]["networkAcls"] = {
                "bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": [],
            }  # fmt: skip
        return answer
