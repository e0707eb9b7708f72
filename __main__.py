"""The whole stack, top to bottom: settings, then areas in dependency order."""

import pulumi

import settings_load
from components.access import Access
from components.account import provider_of
from components.ml_registry import MlRegistry, MlRegistryArgs
from components.model import Model, ModelArgs
from components.platform import Platform, PlatformArgs

cfg = settings_load.load()
platform = cfg.platform
tags = {"project": cfg.names.project, "stack": cfg.names.stack, "managed-by": "pulumi", "owner": cfg.owner}
provider = provider_of(platform.subscription_id, platform.tenant_id)
access = Access(
    names=cfg.names,
    subscription_id=platform.subscription_id,
    provider=provider,
    deployers=platform.deployers,
)
# Parts inherit both: the provider from whoever is above them, protection where data is.
everywhere = pulumi.ResourceOptions(providers=[provider])
guarded = pulumi.ResourceOptions(providers=[provider], protect=platform.protect_data)

workspace = (
    Platform.existing(cfg.platform_names, platform.subscription_id, tags)
    if cfg.existing
    else Platform(
        "ml", PlatformArgs(settings=platform, names=cfg.names, access=access, tags=tags), opts=guarded
    ).workspace
)
registry = None
if cfg.registry:
    registry = MlRegistry(
        "models",
        MlRegistryArgs(
            names=cfg.names,
            location=platform.location,
            more_locations=cfg.registry.more_locations,
            public_network=platform.public_network,
            tags=tags,
        ),
        opts=guarded,
    ).ref
elif cfg.registry_home:
    registry = MlRegistry.existing(cfg.names, cfg.registry_home.subscription_id)
models = {
    model.settings.name: Model(
        model.settings.name,
        ModelArgs(
            workspace=workspace,
            names=cfg.names,
            access=access,
            settings=model.settings,
            file=model.file,
            live=cfg.live.of(model.settings.name),
            registry=registry,
        ),
        opts=everywhere,
    )
    for model in cfg.models
}

pulumi.export("subscriptionId", platform.subscription_id)
pulumi.export("resourceGroupName", workspace.resource_group_name)
pulumi.export("workspaceId", workspace.workspace_id)
pulumi.export("workspaceName", workspace.workspace_name)
pulumi.export("location", platform.location)
pulumi.export("releaseStore", workspace.release_store)
pulumi.export("registry", registry.name if registry else None)
pulumi.export("requireCleanCommit", cfg.require_clean_commit)
pulumi.export("models", {name: model.exports for name, model in models.items()})
