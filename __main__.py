"""The whole platform, top to bottom: settings, then components in dependency order."""

import pulumi

import settings
from components.access import Access
from components.code_asset import CodeAsset, CodeAssetArgs
from components.compute_cluster import ComputeCluster, ComputeClusterArgs
from components.data_asset import DataAsset, DataAssetArgs
from components.environment import Environment, EnvironmentArgs
from components.online_deployment import OnlineDeployment, OnlineDeploymentArgs
from components.online_endpoint import OnlineEndpoint, OnlineEndpointArgs
from components.platform import Platform, PlatformArgs
from components.training_pipeline import TrainingPipeline, TrainingPipelineArgs
from naming import Names

cfg = settings.load()
names = Names(project=pulumi.get_project(), stack=pulumi.get_stack(), salt=cfg.name_salt)
tags = {"project": names.project, "stack": names.stack, "managed-by": "pulumi", "owner": cfg.owner}
access = Access.of_deployer(names)

platform = Platform(
    "ml",
    PlatformArgs(
        location=cfg.location,
        names=names,
        access=access,
        storage_sku=cfg.storage_sku,
        registry_sku=cfg.registry_sku,
        deployer_data_access=cfg.deployer_data_access,
        soft_delete_days=cfg.soft_delete_days,
        purge_protection=cfg.purge_protection,
        log_retention_days=cfg.log_retention_days,
        tags=tags,
    ),
    opts=pulumi.ResourceOptions(protect=cfg.protect_data),
)
clusters = {
    cluster.name: ComputeCluster(
        cluster.name,
        ComputeClusterArgs(
            place=platform.place,
            compute_name=cluster.name,
            vm_size=cluster.vm_size,
            min_nodes=cluster.min_nodes,
            max_nodes=cluster.max_nodes,
            idle_minutes=cluster.idle_minutes,
            access=access,
            storage_account_id=platform.storage_account_id,
            registry_id=platform.registry_id,
        ),
    )
    for cluster in cfg.clusters
}
data = {
    asset.name: DataAsset(
        asset.name,
        DataAssetArgs(
            place=platform.place,
            target=platform.data,
            data_store_uri=platform.data_store_uri,
            data_name=asset.name,
            folder=asset.path,
            description=asset.description,
        ),
    )
    for asset in cfg.data
}
environments = {
    env.name: Environment(
        env.name,
        EnvironmentArgs(place=platform.place, environment_name=env.name, conda_file=env.conda_file, image=env.image),
    )
    for env in cfg.environments
}
# Two code assets: a change to a training step must not touch a live deployment.
training_code = CodeAsset(
    "training",
    CodeAssetArgs(place=platform.place, target=platform.code, code_name="training", include=cfg.training.code),
)
scoring_code = CodeAsset(
    "scoring",
    CodeAssetArgs(place=platform.place, target=platform.code, code_name="scoring", include=cfg.endpoint.code),
)
pipeline = TrainingPipeline(
    "training",
    TrainingPipelineArgs(
        place=platform.place,
        pipeline_file=cfg.training.pipeline_file,
        code=training_code,
        environments=environments,
    ),
)
endpoint = OnlineEndpoint(
    cfg.endpoint.name,
    OnlineEndpointArgs(
        place=platform.place,
        endpoint_name=names.endpoint(cfg.endpoint.name),
        identity_name=names.identity(cfg.endpoint.name),
        auth_mode=cfg.endpoint.auth_mode,
        access=access,
        storage_account_id=platform.storage_account_id,
        registry_id=platform.registry_id,
    ),
)
for deployment in cfg.deployments:
    OnlineDeployment(
        deployment.name,
        OnlineDeploymentArgs(
            place=platform.place,
            endpoint_name=endpoint.endpoint_name,
            fetch_grants=endpoint.fetch_grants,
            deployment_name=deployment.name,
            workspace_id=platform.workspace_id,
            model=deployment.model,
            model_version=deployment.version,
            code_id=scoring_code.code_id,
            scoring_script=cfg.endpoint.scoring_script,
            environment_id=environments[cfg.endpoint.environment].environment_id,
            instance_type=deployment.instance_type,
            instance_count=deployment.instance_count,
        ),
    )

pulumi.export("resourceGroupName", platform.place.resource_group_name)
pulumi.export("workspaceId", platform.workspace_id)
pulumi.export("workspaceName", platform.place.workspace_name)
pulumi.export("computeName", clusters[cfg.training.cluster].cluster_name)
pulumi.export("dataAsset", data[cfg.training.data].reference)
pulumi.export("environments", {name: environment.reference for name, environment in environments.items()})
pulumi.export("codeVersion", training_code.reference)
pulumi.export("pipelineComponent", pipeline.reference)
pulumi.export("endpointName", endpoint.endpoint_name)
pulumi.export("scoringUri", endpoint.scoring_uri)
