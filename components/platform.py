"""The platform under all models: a resource group with a workspace, what a workspace is built on, and its clusters.

Not here: anything that differs from model to model.
"""

from dataclasses import dataclass, field

import pulumi

from components.access import Access
from components.compute_cluster import ComputeCluster, ComputeClusterArgs
from components.container_registry import ContainerRegistry, ContainerRegistryArgs
from components.key_vault import KeyVault, KeyVaultArgs
from components.monitoring import Monitoring, MonitoringArgs
from components.place import GroupPlace, UploadTarget, WorkspaceRef
from components.resource_group import ResourceGroup, ResourceGroupArgs
from components.role_propagation import RolePropagation
from components.storage import RELEASES, Storage, StorageArgs
from components.workspace import DATASTORE, Workspace, WorkspaceArgs
from naming import Names
from settings import PlatformSettings


@dataclass(frozen=True, kw_only=True)
class PlatformArgs:
    """Inputs of the platform; the settings say what each one does.

    Attributes:
        settings: what the stack decides.
        names: physical names of all parts.
        access: grants roles to the workspace, the clusters and the deployers.
    """

    settings: PlatformSettings
    names: Names
    access: Access
    tags: dict[str, str] = field(default_factory=dict)


class Platform(pulumi.ComponentResource):
    """Creates the group, storage, vault, registry, telemetry, workspace and clusters, in this order.

    Outputs: ``workspace`` (for all that lives in it).
    """

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:Platform", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        cfg, names = args.settings, args.names
        group = ResourceGroup(
            name,
            ResourceGroupArgs(group_name=names.resource_group(), location=cfg.location, tags=args.tags),
            opts=child,
        )
        place = GroupPlace(resource_group_name=group.group_name, location=cfg.location, tags=args.tags)
        storage = Storage(
            name,
            StorageArgs(
                place=place,
                account_name=names.storage_account(),
                sku=cfg.storage_sku,
                public_network=cfg.public_network,
                access=args.access,
            ),
            opts=child,
        )
        vault = KeyVault(
            name,
            KeyVaultArgs(
                place=place,
                vault_name=names.key_vault(),
                tenant_id=cfg.tenant_id,
                soft_delete_days=cfg.soft_delete_days,
                purge_protection=cfg.purge_protection,
                public_network=cfg.public_network,
            ),
            opts=child,
        )
        registry = ContainerRegistry(
            name,
            ContainerRegistryArgs(place=place, registry_name=names.container_registry(), sku=cfg.registry_sku),
            opts=child,
        )
        monitoring = Monitoring(
            name,
            MonitoringArgs(
                place=place,
                log_analytics_name=names.log_analytics(),
                insights_name=names.application_insights(),
                retention_days=cfg.log_retention_days,
            ),
            opts=child,
        )
        workspace = Workspace(
            name,
            WorkspaceArgs(
                place=place,
                workspace_name=names.workspace(),
                identity_name=names.identity("workspace"),
                public_network=cfg.public_network,
                access=args.access,
                storage=storage,
                key_vault_id=vault.vault_id,
                registry_id=registry.registry_id,
                insights_id=monitoring.insights_id,
            ),
            opts=child,
        )
        self.workspace = WorkspaceRef(
            resource_group_name=group.group_name,
            location=cfg.location,
            tags=args.tags,
            workspace_name=workspace.workspace_name,
            workspace_id=workspace.workspace_id,
            storage_account_id=storage.account_id,
            registry_id=registry.registry_id,
            code=_target(storage, storage.code, workspace.propagation),
            data=_target(storage, storage.data, workspace.propagation),
            data_store_uri=workspace.data_store_uri,
            release_store=pulumi.Output.concat(storage.blob_endpoint, storage.releases),
        )
        self._clusters(args, child)
        self.register_outputs({"workspace_id": workspace.workspace_id, "workspace_name": workspace.workspace_name})

    def _clusters(self, args: PlatformArgs, child: pulumi.ResourceOptions) -> None:
        for cluster in args.settings.clusters:
            ComputeCluster(
                cluster.name,
                ComputeClusterArgs(
                    workspace=self.workspace,
                    compute_name=cluster.name,
                    vm_size=cluster.vm_size,
                    min_nodes=cluster.min_nodes,
                    max_nodes=cluster.max_nodes,
                    idle_minutes=cluster.idle_minutes,
                    identity_name=args.names.identity(f"cluster-{cluster.name}"),
                    access=args.access,
                ),
                # A cluster holds no data: a protected stack can change its size.
                opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(protect=False)),
            )

    @staticmethod
    def existing(names: Names, subscription_id: str, tags: dict[str, str]) -> WorkspaceRef:
        """The workspace of a platform that another stack made, found by its names.

        Args:
            names: names of that other stack.
            subscription_id: subscription that it is in.
            tags: those of the stack that is going to live there.
        """
        group = names.resource_group()
        base = f"/subscriptions/{subscription_id}/resourceGroups/{group}/providers"
        workspace = names.workspace()
        blobs = f"https://{names.storage_account()}.blob.core.windows.net/"
        return WorkspaceRef(
            resource_group_name=group,
            location=names.location,
            tags=tags,
            workspace_name=workspace,
            workspace_id=f"{base}/Microsoft.MachineLearningServices/workspaces/{workspace}",
            storage_account_id=f"{base}/Microsoft.Storage/storageAccounts/{names.storage_account()}",
            registry_id=f"{base}/Microsoft.ContainerRegistry/registries/{names.container_registry()}",
            code=UploadTarget(blob_endpoint=blobs, container="code"),
            data=UploadTarget(blob_endpoint=blobs, container="data"),
            data_store_uri=(
                f"azureml://subscriptions/{subscription_id}/resourcegroups/{group}/workspaces/{workspace}"
                f"/datastores/{DATASTORE}/paths/"
            ),
            release_store=f"{blobs}{RELEASES}",
        )


def _target(storage: Storage, container: pulumi.Output[str], ready: RolePropagation) -> UploadTarget:
    return UploadTarget(blob_endpoint=storage.blob_endpoint, container=container, ready=[ready])
