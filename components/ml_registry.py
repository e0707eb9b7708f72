"""ML registry of the organisation: models cross from one stack to another through it.

Not here: what is in it. Releases copy models there and read them from there.
"""

from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import machinelearningservices as ml

from components.resource_group import ResourceGroup, ResourceGroupArgs
from naming import Names


@dataclass(frozen=True, kw_only=True)
class RegistryRef:
    """All that a stack needs to take models from the registry.

    Attributes:
        name: its name, part of a model's address.
        registry_id: its ARM id.
    """

    name: str
    registry_id: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class MlRegistryArgs:
    """Inputs of the registry.

    Attributes:
        names: physical names; those of group and registry are the same in every stack of the organisation.
        location: region it is managed from.
        more_locations: regions beside that one whose workspaces use it.
        public_network: reachable over the internet, by identities with a role.
    """

    names: Names
    location: str
    more_locations: tuple[str, ...]
    public_network: bool
    tags: dict[str, str] = field(default_factory=dict)


class MlRegistry(pulumi.ComponentResource):
    """Creates one ``registries`` with storage and images that Azure keeps, in a group of its own.

    Outputs: ``ref``.
    """

    def __init__(self, name: str, args: MlRegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:MlRegistry", name, None, opts)
        group = ResourceGroup(
            name,
            # Of its own: the group of a stack goes with the stack, the models of all others stay.
            ResourceGroupArgs(group_name=args.names.ml_registry_group(), location=args.location, tags=args.tags),
            opts=pulumi.ResourceOptions(parent=self),
        )
        registry = ml.Registry(
            f"{name}-registry",
            registry_name=args.names.ml_registry(),
            resource_group_name=group.group_name,
            location=args.location,
            identity=ml.ManagedServiceIdentityArgs(type=ml.ManagedServiceIdentityType.SYSTEM_ASSIGNED),
            public_network_access="Enabled" if args.public_network else "Disabled",
            region_details=[
                ml.RegistryRegionArmDetailsArgs(
                    location=location,
                    acr_details=[
                        ml.AcrDetailsArgs(
                            system_created_acr_account=ml.SystemCreatedAcrAccountArgs(acr_account_sku="Premium")
                        )
                    ],
                    storage_account_details=[
                        ml.StorageAccountDetailsArgs(
                            system_created_storage_account=ml.SystemCreatedStorageAccountArgs(
                                storage_account_type="Standard_LRS",
                                storage_account_hns_enabled=False,
                                allow_blob_public_access=False,
                            )
                        )
                    ],
                )
                for location in dict.fromkeys((args.location, *args.more_locations))
            ],
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.ref = RegistryRef(name=args.names.ml_registry(), registry_id=registry.id)
        self.register_outputs({"registry_id": registry.id})

    @staticmethod
    def existing(names: Names, subscription_id: str) -> RegistryRef:
        """The registry that another stack declares, found by its names."""
        name = names.ml_registry()
        group = f"/subscriptions/{subscription_id}/resourceGroups/{names.ml_registry_group()}"
        return RegistryRef(
            name=name, registry_id=f"{group}/providers/Microsoft.MachineLearningServices/registries/{name}"
        )
