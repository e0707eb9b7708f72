"""One deployment of a model version behind a managed online endpoint; it starts without traffic.

Not here: registering the model (a run does) and traffic (the rollout does). A deployment that still has traffic
cannot be deleted: roll it down before its entry leaves the configuration.
"""

import re
from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import machinelearningservices as ml

from components.place import WorkspacePlace


@dataclass(frozen=True, kw_only=True)
class OnlineDeploymentArgs:
    """Inputs of the deployment.

    Attributes:
        deployment_name: 3-32 letters, digits or hyphens, first a letter; ``blue`` and ``green`` by custom.
        workspace_id: ARM id of the workspace that holds the model.
        model: registered model.
        model_version: exact version. A new value rolls the instances in place; a release adds a second
            deployment instead.
        code_id: code with the scoring script.
        scoring_script: path inside that code.
        environment_id: packages it runs with.
        instance_type: size of each instance.
        instance_count: instances kept running, 1 or more.
        fetch_grants: role assignments that let instances fetch image, model and code.

    Raises:
        ValueError: names the field, the value and what is accepted.
    """

    place: WorkspacePlace
    endpoint_name: pulumi.Input[str]
    deployment_name: str
    workspace_id: pulumi.Input[str]
    model: str
    model_version: str
    code_id: pulumi.Input[str]
    scoring_script: str
    environment_id: pulumi.Input[str]
    instance_type: str
    instance_count: int
    fetch_grants: list[pulumi.Resource] = field(default_factory=list)

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
        deployment = ml.OnlineDeployment(
            f"{name}-deployment",
            deployment_name=args.deployment_name,
            endpoint_name=args.endpoint_name,
            workspace_name=args.place.workspace_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            sku=ml.SkuArgs(name="Default", capacity=args.instance_count),
            properties=ml.ManagedOnlineDeploymentArgs(
                endpoint_compute_type="Managed",
                model=pulumi.Output.concat(args.workspace_id, "/models/", args.model, "/versions/", args.model_version),
                code_configuration=ml.CodeConfigurationArgs(code_id=args.code_id, scoring_script=args.scoring_script),
                environment_id=args.environment_id,
                instance_type=args.instance_type,
                app_insights_enabled=True,
                scale_settings=ml.DefaultScaleSettingsArgs(scale_type="Default"),
            ),
            tags=args.place.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                # Fixed physical name: the old deployment must go before its successor can take it.
                delete_before_replace=True,
                # Instances fetch image, model and code as the endpoint's identity, and no input says so.
                depends_on=args.fetch_grants,
            ),
        )
        self.deployment_name: pulumi.Output[str] = deployment.name
        self.register_outputs({"deployment_name": self.deployment_name})
