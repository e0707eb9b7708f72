"""Container registry of the workspace, without an admin user.

Not here: images. Azure ML builds its environments into it.
"""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import containerregistry

from components.place import GroupPlace


@dataclass(frozen=True, kw_only=True)
class ContainerRegistryArgs:
    """Inputs of the registry.

    Attributes:
        registry_name: physical name, 5-50 letters and digits. A new value replaces the registry.
        sku: ``Basic``, ``Standard`` or ``Premium``; private endpoints need Premium.
    """

    place: GroupPlace
    registry_name: str
    sku: str


class ContainerRegistry(pulumi.ComponentResource):
    """Creates one ``registries`` that only identities can pull from.

    Outputs: ``registry_id``.
    """

    def __init__(self, name: str, args: ContainerRegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:ContainerRegistry", name, None, opts)
        registry = containerregistry.Registry(
            f"{name}-registry",
            registry_name=args.registry_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            sku=containerregistry.SkuArgs(name=args.sku),
            admin_user_enabled=False,
            tags=args.place.tags,
            # Fixed physical name: the old registry must go before its successor can take it.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.registry_id: pulumi.Output[str] = registry.id
        self.register_outputs({"registry_id": self.registry_id})
