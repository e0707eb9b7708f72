"""Registry: assets that many workspaces share, with a storage account of its own in each of its regions."""

import re

from sandbox import clock
from sandbox.arm.kind import Body, Kind, Name, Refusal
from sandbox.arm.operations import erase_tree
from sandbox.arm.resource import Change, Resource, View
from sandbox.types.ml.asset import ML, UNIQUE_REGISTRY

_GROUP = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+", re.IGNORECASE)
_SYSTEM_GROUP = "properties.managedResourceGroup"


class Registry(Kind):
    """``Microsoft.MachineLearningServices/registries``."""

    arm_type = f"{ML}/registries"
    level = "enforced"
    name = Name(
        r"[A-Za-z0-9][-\w]{2,32}",
        "3-33 letters, digits, hyphens or underscores, starting with a letter or digit",
        UNIQUE_REGISTRY,
    )
    tracked = True
    system_data = True
    lro = True
    defaults = {"sku": {"name": "Basic", "tier": "Basic"}, "properties.publicNetworkAccess": "Enabled"}
    extra = ("properties.managedResourceGroupTags",)
    differs = {
        "properties.regionDetails": "one storage account serves every region; images are not kept",
        "properties.publicNetworkAccess": "kept, not enforced: every client is on this machine",
    }

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """The group that Azure keeps its storage in is made once."""
        if old:
            new.properties["managedResourceGroup"] = old[_SYSTEM_GROUP]
        elif not new.get(f"{_SYSTEM_GROUP}.resourceId"):
            group = f"azureml-rg-{new.name}_{clock.new_id()}"
            new.properties["managedResourceGroup"] = {
                "resourceId": f"/subscriptions/{new.id.subscription}/resourceGroups/{group}"
            }

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Its own region is one of its regions, and the group of its storage is made for it."""
        group = str(new[f"{_SYSTEM_GROUP}.resourceId"])
        if old is None and (not _GROUP.fullmatch(group) or view.get(group)):
            raise Refusal(
                409, "ManagedResourceGroupConflict",
                f"managedResourceGroup.resourceId of registry '{new.name}' is '{group}': want the id of a resource "
                "group that does not exist yet, or none.",
            )  # fmt: skip
        regions = [str(each.get("location", "")).replace(" ", "").lower() for each in _regions(new)]
        if new["location"] not in regions:
            raise Refusal(
                400,
                "ValidationError",
                f"regionDetails of registry '{new.name}' name {', '.join(regions) or 'no region'}: want its own, "
                f"{new['location']}, among them.",
            )

    def stored(self, new: Resource, old: Resource | None, change: Change) -> None:
        """The storage account that its assets are uploaded to."""
        if old is None:
            group = new[f"{_SYSTEM_GROUP}.resourceId"]
            tags = new.get("tags", {})
            change.make(group, {"location": new["location"], "tags": tags, "managedBy": new.id.text})
            change.make(
                f"{group}/providers/Microsoft.Storage/storageAccounts/{clock.new_hex(16)}",
                {
                    "location": new["location"],
                    "kind": "StorageV2",
                    "sku": {"name": "Standard_LRS"},
                    "properties": {"allowSharedKeyAccess": True},
                },
            )

    def removed(self, me: Resource, change: Change) -> None:
        """The group that was made for it goes with it; one that somebody made in its place since then stays."""
        group = change.get(me[f"{_SYSTEM_GROUP}.resourceId"])
        if group and str(group.get("managedBy")).lower() == me.id.key:
            erase_tree(change, group)

    def outputs(self, me: Resource, view: View) -> Body:
        """Addresses, by region and name."""
        host = f"{me['location']}.api.azureml.ms"
        return {
            "properties": {
                "discoveryUrl": f"https://{host}/registrymanagement/v1.0/registries/{me.name}/discovery",
                "mlFlowRegistryUri": f"azureml://{host}/mlflow/v1.0/registries/{me.name}",
                "registryPrivateEndpointConnections": [],
            }
        }


def _regions(me: Resource) -> list[Body]:
    found = me.get("properties.regionDetails")
    return found if isinstance(found, list) else []


def registry_of(account: Resource, view: View) -> Resource | None:
    """The registry whose own storage an account is, if it is one's."""
    group = f"/subscriptions/{account.id.subscription}/resourceGroups/{account.id.group}".lower()
    found = (
        each for each in view.of_kind(f"{ML}/registries") if str(each[_SYSTEM_GROUP]["resourceId"]).lower() == group
    )
    return next(found, None)


def storage_of(registry: Resource, view: View) -> Resource:
    """The storage account that a registry's assets are in."""
    group = str(registry[f"{_SYSTEM_GROUP}.resourceId"])
    return next(iter(view.of_kind("Microsoft.Storage/storageAccounts", group)))
