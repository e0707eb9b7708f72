"""The platform under all models: a resource group with a workspace and what a workspace is built on.

Not here: anything that differs from model to model.
"""

from dataclasses import dataclass, field

import pulumi

from components.access import Access
from components.container_registry import ContainerRegistry, ContainerRegistryArgs
from components.key_vault import KeyVault, KeyVaultArgs
from components.monitoring import Monitoring, MonitoringArgs
from components.place import GroupPlace, UploadTarget, WorkspacePlace
from components.resource_group import ResourceGroup, ResourceGroupArgs
from components.storage import Storage, StorageArgs
from components.workspace import Workspace, WorkspaceArgs
from naming import Names


@dataclass(frozen=True, kw_only=True)
class PlatformArgs:
    """Inputs of the platform; the components inside say what each one does.

    Attributes:
        names: physical names of all parts.
        access: grants roles to the workspace and the deployer.
    """

    location: str
    names: Names
    access: Access
    storage_sku: str
    registry_sku: str
    deployer_data_access: bool
    soft_delete_days: int
    purge_protection: bool
    log_retention_days: int
    tags: dict[str, str] = field(default_factory=dict)


class Platform(pulumi.ComponentResource):
    """Creates the group, storage, vault, registry, telemetry and workspace, in this order.

    Outputs: ``place`` (for what lives in the workspace), ``workspace_id``, ``storage_account_id``,
    ``registry_id``, ``code`` and ``data`` (where uploads go), ``data_store_uri``.
    """

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:Platform", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        names = args.names
        group = ResourceGroup(
            name,
            ResourceGroupArgs(group_name=names.resource_group(), location=args.location, tags=args.tags),
            opts=child,
        )
        place = GroupPlace(resource_group_name=group.group_name, location=args.location, tags=args.tags)
        storage = Storage(
            name,
            StorageArgs(
                place=place,
                account_name=names.storage_account(),
                sku=args.storage_sku,
                access=args.access,
                deployer_data_access=args.deployer_data_access,
            ),
            opts=child,
        )
        vault = KeyVault(
            name,
            KeyVaultArgs(
                place=place,
                vault_name=names.key_vault(),
                tenant_id=args.access.tenant_id,
                soft_delete_days=args.soft_delete_days,
                purge_protection=args.purge_protection,
            ),
            opts=child,
        )
        registry = ContainerRegistry(
            name,
            ContainerRegistryArgs(place=place, registry_name=names.container_registry(), sku=args.registry_sku),
            opts=child,
        )
        monitoring = Monitoring(
            name,
            MonitoringArgs(
                place=place,
                log_analytics_name=names.log_analytics(),
                insights_name=names.application_insights(),
                retention_days=args.log_retention_days,
            ),
            opts=child,
        )
        workspace = Workspace(
            name,
            WorkspaceArgs(
                place=place,
                workspace_name=names.workspace(),
                identity_name=names.identity("workspace"),
                access=args.access,
                storage_account_id=storage.account_id,
                storage_account_name=storage.account_name,
                data_container=storage.data.container,
                key_vault_id=vault.vault_id,
                registry_id=registry.registry_id,
                insights_id=monitoring.insights_id,
            ),
            opts=child,
        )
        self.place = WorkspacePlace(
            resource_group_name=group.group_name,
            workspace_name=workspace.workspace_name,
            location=args.location,
            tags=args.tags,
        )
        self.workspace_id: pulumi.Output[str] = workspace.workspace_id
        self.storage_account_id: pulumi.Output[str] = storage.account_id
        self.registry_id: pulumi.Output[str] = registry.registry_id
        self.code: UploadTarget = storage.code
        self.data: UploadTarget = storage.data
        self.data_store_uri: pulumi.Output[str] = workspace.data_store_uri
        self.register_outputs({"workspace_id": self.workspace_id, "workspace_name": workspace.workspace_name})
