"""Resource group that holds everything of one stack.

Not here: locks and budgets.
"""

from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import resources


@dataclass(frozen=True, kw_only=True)
class ResourceGroupArgs:
    """Inputs of the resource group.

    Attributes:
        group_name: physical name, 1-90 characters. A new value replaces the group with all it holds.
        location: Azure region; a new value replaces the group with all it holds.
    """

    group_name: str
    location: str
    tags: dict[str, str] = field(default_factory=dict)


class ResourceGroup(pulumi.ComponentResource):
    """Creates one ``resourceGroups``.

    Outputs: ``group_name`` (where the other components live).
    """

    def __init__(self, name: str, args: ResourceGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:ResourceGroup", name, None, opts)
        group = resources.ResourceGroup(
            f"{name}-group",
            resource_group_name=args.group_name,
            location=args.location,
            tags=args.tags,
            # Fixed physical name: the old group must go before its successor can take it.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.group_name: pulumi.Output[str] = group.name
        self.register_outputs({"group_name": self.group_name})
