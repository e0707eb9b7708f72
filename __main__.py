"""The whole platform, top to bottom: settings, then components in dependency order."""

import pulumi

import settings
from components.access import Access
from components.compute_cluster import ComputeCluster, ComputeClusterArgs
from components.container_registry import ContainerRegistry, ContainerRegistryArgs
from components.key_vault import KeyVault, KeyVaultArgs
from components.monitoring import Monitoring, MonitoringArgs
from components.resource_group import ResourceGroup, ResourceGroupArgs
from components.storage import Storage, StorageArgs
from components.workspace import Workspace, WorkspaceArgs
from naming import Names

cfg = settings.load()
names = Names(project=pulumi.get_project(), stack=pulumi.get_stack(), salt=cfg.name_salt)
tags = {"project": names.project, "stack": names.stack, "managed-by": "pulumi", "owner": cfg.owner}
protected = pulumi.ResourceOptions(protect=cfg.protect_data)
access = Access.of_deployer(names)

group = ResourceGroup(
    "platform",
    ResourceGroupArgs(group_name=names.resource_group(), location=cfg.location, tags=tags),
    opts=protected,
)
storage = Storage(
    "assets",
    StorageArgs(
        resource_group_name=group.group_name,
        account_name=names.storage_account(),
        location=cfg.location,
        sku=cfg.storage_sku,
        access=access,
        deployer_data_access=cfg.deployer_data_access,
        tags=tags,
    ),
    opts=protected,
)
vault = KeyVault(
    "secrets",
    KeyVaultArgs(
        resource_group_name=group.group_name,
        vault_name=names.key_vault(),
        location=cfg.location,
        tenant_id=access.tenant_id,
        soft_delete_days=cfg.soft_delete_days,
        purge_protection=cfg.purge_protection,
        tags=tags,
    ),
    opts=protected,
)
registry = ContainerRegistry(
    "images",
    ContainerRegistryArgs(
        resource_group_name=group.group_name,
        registry_name=names.container_registry(),
        location=cfg.location,
        sku=cfg.registry_sku,
        tags=tags,
    ),
    opts=protected,
)
monitoring = Monitoring(
    "telemetry",
    MonitoringArgs(
        resource_group_name=group.group_name,
        log_analytics_name=names.log_analytics(),
        insights_name=names.application_insights(),
        location=cfg.location,
        retention_days=cfg.log_retention_days,
        tags=tags,
    ),
    opts=protected,
)
workspace = Workspace(
    "ml",
    WorkspaceArgs(
        resource_group_name=group.group_name,
        location=cfg.location,
        workspace_name=names.workspace(),
        identity_name=names.identity("workspace"),
        access=access,
        storage_account_id=storage.account_id,
        storage_account_name=storage.account_name,
        data_container=storage.data_container,
        key_vault_id=vault.vault_id,
        registry_id=registry.registry_id,
        insights_id=monitoring.insights_id,
        tags=tags,
    ),
    opts=protected,
)
clusters = {
    cluster.name: ComputeCluster(
        cluster.name,
        ComputeClusterArgs(
            resource_group_name=group.group_name,
            workspace_name=workspace.workspace_name,
            compute_name=cluster.name,
            vm_size=cluster.vm_size,
            min_nodes=cluster.min_nodes,
            max_nodes=cluster.max_nodes,
            idle_minutes=cluster.idle_minutes,
            access=access,
            storage_account_id=storage.account_id,
            registry_id=registry.registry_id,
            tags=tags,
        ),
    )
    for cluster in cfg.clusters
}

pulumi.export("resourceGroupName", group.group_name)
pulumi.export("workspaceName", workspace.workspace_name)
pulumi.export("computeName", clusters[cfg.training.cluster].cluster_name)
