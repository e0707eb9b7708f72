"""Key vault of the workspace, opened by roles only.

Not here: secrets. The platform stores none; Azure ML keeps its own there.
"""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import keyvault

from components.fixed import Fixed
from components.place import GroupPlace


@dataclass(frozen=True, kw_only=True)
class KeyVaultArgs:
    """Inputs of the key vault.

    Attributes:
        vault_name: physical name, 3-24 letters, digits and hyphens. A new value replaces the vault; the old
            name stays taken while the deleted vault can be recovered.
        tenant_id: directory whose identities may enter.
        soft_delete_days: days (7-90) a deleted vault can be recovered; Azure fixes it at creation.
        purge_protection: nobody can end those days early. Azure never lets this be turned off.
        public_network: reachable over the internet, by identities with a role.

    Raises:
        ValueError: names the field, the value and the accepted range.
    """

    place: GroupPlace
    vault_name: str
    tenant_id: pulumi.Input[str]
    soft_delete_days: int
    purge_protection: bool
    public_network: bool

    def __post_init__(self) -> None:
        if not 7 <= self.soft_delete_days <= 90:
            raise ValueError(f"soft_delete_days={self.soft_delete_days}: want 7 to 90")


class KeyVault(pulumi.ComponentResource):
    """Creates one ``vaults`` with role-based access.

    Outputs: ``vault_id``.
    """

    def __init__(self, name: str, args: KeyVaultArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:KeyVault", name, None, opts)
        fixed = Fixed(
            f"{name}-fixed",
            resource=args.vault_name,
            values={"soft_delete_days": args.soft_delete_days, "purge_protection": args.purge_protection},
            reason=(
                "Azure fixes it when the vault is made. Take the old value back; another name_salt or location makes "
                "a whole new platform"
            ),
            opts=pulumi.ResourceOptions(parent=self, protect=False),
        )
        vault = keyvault.Vault(
            f"{name}-vault",
            vault_name=args.vault_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            properties=keyvault.VaultPropertiesArgs(
                tenant_id=args.tenant_id,
                sku=keyvault.SkuArgs(family="A", name=keyvault.SkuName.STANDARD),
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                soft_delete_retention_in_days=args.soft_delete_days,
                # Azure refuses an explicit false: purge protection is on or not mentioned.
                enable_purge_protection=True if args.purge_protection else None,
                public_network_access="Enabled" if args.public_network else "Disabled",
            ),
            tags=args.place.tags,
            # Fixed physical name: the old vault must go before its successor can take it.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=[fixed]),
        )
        self.vault_id: pulumi.Output[str] = vault.id
        self.register_outputs({"vault_id": self.vault_id})
