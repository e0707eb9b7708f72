"""One deployment behind a managed online endpoint; it starts without traffic and is never changed.

Not here: what is served (`serving`), registering the model (a run does) and traffic (the rollout does).
"""

import re
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import machinelearningservices as ml

from components.online_endpoint import OnlineEndpoint
from components.place import WorkspaceRef
from components.serving import Serving

# A request takes milliseconds, so this many in line are answered long before the time is over.
_REQUESTS_AT_ONCE = 64
_ANSWER_WITHIN = "PT10S"


@dataclass(frozen=True, kw_only=True)
class OnlineDeploymentArgs:
    """Inputs of the deployment.

    Attributes:
        endpoint: what it stands behind.
        deployment_name: 3-32 letters, digits or hyphens, first a letter. Other content needs another name.
        serving: what it answers with.
        instance_type: size of each instance.
        instance_count: instances kept running, 1 or more; the only thing that can change.
        needs: versions that have to be there first.

    Raises:
        ValueError: names the field, the value and what is accepted.
    """

    workspace: WorkspaceRef
    endpoint: OnlineEndpoint
    deployment_name: str
    serving: Serving
    instance_type: str
    instance_count: int
    needs: tuple[pulumi.Resource, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]", self.deployment_name):
            raise ValueError(
                f"deployment_name={self.deployment_name!r}: want 3-32 letters, digits or hyphens, "
                "starting with a letter and not ending with a hyphen"
            )
        if self.instance_count < 1:
            raise ValueError(f"instance_count={self.instance_count}: want 1 or more")


class OnlineDeployment(pulumi.ComponentResource):
    """Creates one ``onlineEndpoints/deployments`` on managed compute.

    Outputs: ``deployment_name``.
    """

    def __init__(self, name: str, args: OnlineDeploymentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:OnlineDeployment", name, None, opts)
        serving, workspace = args.serving, args.workspace
        code = None
        if serving.code is not None and serving.script is not None:
            code = ml.CodeConfigurationArgs(code_id=serving.code, scoring_script=serving.script)
        deployment = ml.OnlineDeployment(
            f"{name}-deployment",
            deployment_name=args.deployment_name,
            endpoint_name=args.endpoint.endpoint_name,
            workspace_name=workspace.workspace_name,
            resource_group_name=workspace.resource_group_name,
            location=workspace.location,
            sku=ml.SkuArgs(name="Default", capacity=args.instance_count),
            properties=ml.ManagedOnlineDeploymentArgs(
                endpoint_compute_type="Managed",
                model=serving.model,
                code_configuration=code,
                environment_id=serving.environment,
                instance_type=args.instance_type,
                app_insights_enabled=True,
                # Azure's own is one request at a time and half a second in line, so that two callers at once see a 429.
                request_settings=ml.OnlineRequestSettingsArgs(
                    max_concurrent_requests_per_instance=_REQUESTS_AT_ONCE, request_timeout=_ANSWER_WITHIN
                ),
                scale_settings=ml.DefaultScaleSettingsArgs(scale_type="Default"),
            ),
            tags=workspace.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                # A live deployment never changes: what differs is another one beside it, under another name. So
                # nothing but the number of instances is ever sent again, tags of a new owner least of all.
                ignore_changes=["properties", "tags", "identity", "kind", "sku.name"],
                delete_before_replace=True,
                # Azure removes deployments with their endpoint, and refuses to remove one that has traffic.
                deleted_with=args.endpoint.resource,
                # Instances fetch image, model and code as the endpoint's identity, and no input says so.
                depends_on=[*args.endpoint.fetch_grants, *args.needs],
            ),
        )
        self.deployment_name: pulumi.Output[str] = deployment.name
        self.register_outputs({"deployment_name": self.deployment_name})
