"""The registry: no admin user."""

from components.container_registry import ContainerRegistry, ContainerRegistryArgs
from components.place import GroupPlace
from tests.conftest import Declare

KEY = "mlops:azure:ContainerRegistry$azure-native:containerregistry:Registry::ml-registry"


def test_only_identities_pull(declare: Declare, place: GroupPlace) -> None:
    args = ContainerRegistryArgs(place=place, registry_name="crtest", sku="Premium")
    declared = declare(lambda: ContainerRegistry("ml", args))
    got = declared[KEY]
    assert got["adminUserEnabled"] is False
    assert (got["registryName"], got["sku"], got["location"]) == ("crtest", {"name": "Premium"}, "westeurope")
    assert got["tags"] == place.tags
    assert declared.options[KEY].deleteBeforeReplace
