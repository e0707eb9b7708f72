"""Autoscaling training cluster (AmlCompute) inside an Azure ML workspace.

Not here: quota, which belongs to the subscription.
"""

import re
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import machinelearningservices as ml

import roles
from components.access import Access
from components.place import WorkspacePlace


@dataclass(frozen=True, kw_only=True)
class ComputeClusterArgs:
    """Plain values are checked here, before any resource exists; Outputs are Azure's to check.

    Attributes:
        compute_name: physical name, 3-32 letters, digits or hyphens, first a letter.
        vm_size: size such as ``Standard_D4ds_v5``. A new value replaces the cluster.
        max_nodes: autoscaler ceiling, in nodes; the regional vCPU quota must cover it.
        min_nodes: nodes kept when idle, in nodes. 0 costs nothing at rest.
        idle_minutes: minutes without work before a node is released.
        access: grants the cluster's identity its roles.
        storage_account_id: jobs read and write blobs here.
        registry_id: nodes pull their images from here.

    Raises:
        ValueError: names the field, the value received and the accepted range.
    """

    place: WorkspacePlace
    compute_name: str
    vm_size: str
    max_nodes: int
    access: Access
    storage_account_id: pulumi.Input[str]
    registry_id: pulumi.Input[str]
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
    """Creates one ``workspaces/computes`` of type AmlCompute with its own identity.

    Name limits: learn.microsoft.com, "resource-name-rules" (the ARM schema has no pattern).
    Outputs: ``cluster_name`` (compute target of jobs), ``principal_id`` (its identity).
    """

    def __init__(self, name: str, args: ComputeClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:ComputeCluster", name, None, opts)
        compute = ml.Compute(
            f"{name}-compute",
            compute_name=args.compute_name,
            workspace_name=args.place.workspace_name,
            resource_group_name=args.place.resource_group_name,
            identity=ml.ManagedServiceIdentityArgs(type=ml.ManagedServiceIdentityType.SYSTEM_ASSIGNED),
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
            tags=args.place.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                # Fixed physical name: the old cluster must go before its successor can take it.
                delete_before_replace=True,
                # Azure ML changes no cluster's size; without this an up would try, and fail.
                replace_on_changes=["properties.properties.vmSize"],
            ),
        )
        self.cluster_name: pulumi.Output[str] = compute.name
        self.principal_id: pulumi.Output[str] = compute.identity.apply(
            lambda identity: identity.principal_id if identity else ""
        )
        for what, role, scope in (
            ("blobs", roles.STORAGE_BLOB_DATA_CONTRIBUTOR, args.storage_account_id),
            ("images", roles.ACR_PULL, args.registry_id),
        ):
            args.access.grant(f"{name}-may-{what}", parent=self, role=role, identity_id=self.principal_id, scope=scope)
        self.register_outputs({"cluster_name": self.cluster_name, "principal_id": self.principal_id})
