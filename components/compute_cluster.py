"""Autoscaling training cluster (AmlCompute) inside an Azure ML workspace.

Not here: quota, which belongs to the subscription.
"""

import re
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import machinelearningservices as ml

import roles
from components.access import Access
from components.identity import user_assigned
from components.place import WorkspaceRef


@dataclass(frozen=True, kw_only=True)
class ComputeClusterArgs:
    """Plain values are checked here, before any resource exists; Outputs are Azure's to check.

    Attributes:
        compute_name: physical name, 3-32 letters, digits or hyphens, first a letter.
        vm_size: size such as ``Standard_D4ds_v5``. A new value replaces the cluster.
        max_nodes: autoscaler ceiling, in nodes; the regional vCPU quota must cover it.
        min_nodes: nodes kept when idle, in nodes. 0 costs nothing at rest.
        idle_minutes: minutes without work before a node is released.
        identity_name: physical name of its user-assigned identity.
        access: grants that identity its roles.

    Raises:
        ValueError: names the field, the value received and the accepted range.
    """

    workspace: WorkspaceRef
    compute_name: str
    vm_size: str
    max_nodes: int
    identity_name: str
    access: Access
    min_nodes: int = 0
    idle_minutes: int = 5

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]", self.compute_name):
            raise ValueError(
                f"compute_name={self.compute_name!r}: want 3-32 letters, digits or hyphens, "
                "starting with a letter and not ending with a hyphen"
            )
        if not (0 <= self.min_nodes <= self.max_nodes and self.max_nodes >= 1):
            raise ValueError(
                f"min_nodes={self.min_nodes}, max_nodes={self.max_nodes}: "
                "want 0 <= min_nodes <= max_nodes and max_nodes >= 1"
            )
        if self.idle_minutes < 1:
            raise ValueError(f"idle_minutes={self.idle_minutes}: want 1 or more")


class ComputeCluster(pulumi.ComponentResource):
    """Creates one ``workspaces/computes`` of type AmlCompute with an identity of its own.

    Name limits: learn.microsoft.com, "resource-name-rules" (the ARM schema has no pattern).
    Outputs: ``cluster_name`` (compute target of jobs), ``principal_id`` (its identity).
    """

    def __init__(self, name: str, args: ComputeClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:ComputeCluster", name, None, opts)
        identity = user_assigned(
            f"{name}-identity", identity_name=args.identity_name, place=args.workspace, parent=self
        )
        compute = ml.Compute(
            f"{name}-compute",
            compute_name=args.compute_name,
            workspace_name=args.workspace.workspace_name,
            resource_group_name=args.workspace.resource_group_name,
            # Not system-assigned: that identity is unknown while the cluster changes, and a preview would show its
            # roles as replaced.
            identity=ml.ManagedServiceIdentityArgs(
                type=ml.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=[identity.id]
            ),
            properties=ml.AmlComputeArgs(
                compute_type="AmlCompute",
                # Nobody logs in to a node: there is no password or key to lose.
                disable_local_auth=True,
                properties=ml.AmlComputePropertiesArgs(
                    vm_size=args.vm_size,
                    # Low priority capacity of Azure Batch was retired in 2026.
                    vm_priority=ml.VmPriority.DEDICATED,
                    scale_settings=ml.ScaleSettingsArgs(
                        min_node_count=args.min_nodes,
                        max_node_count=args.max_nodes,
                        node_idle_time_before_scale_down=f"PT{args.idle_minutes}M",
                    ),
                ),
            ),
            tags=args.workspace.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                # Fixed physical name: the old cluster must go before its successor can take it.
                delete_before_replace=True,
                # Azure ML changes no cluster's size; without this an up would try, and fail.
                replace_on_changes=["properties.properties.vmSize"],
            ),
        )
        self.cluster_name: pulumi.Output[str] = compute.name
        self.principal_id: pulumi.Output[str] = identity.principal_id
        for what, role, scope in (
            ("blobs", roles.STORAGE_BLOB_DATA_CONTRIBUTOR, args.workspace.storage_account_id),
            ("images", roles.ACR_PULL, args.workspace.registry_id),
        ):
            args.access.grant(f"{name}-may-{what}", parent=self, role=role, identity_id=self.principal_id, scope=scope)
        self.register_outputs({"cluster_name": self.cluster_name, "principal_id": self.principal_id})
