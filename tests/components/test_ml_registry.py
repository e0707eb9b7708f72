"""The ML registry: one for the organisation, in a group that outlives every stack."""

import pulumi

from components.access import Access
from components.ml_registry import MlRegistry, MlRegistryArgs
from tests.conftest import Declare, Declared

KEY = "mlops:azure:MlRegistry$azure-native:machinelearningservices:Registry::models-registry"


def registry(declare: Declare, access: Access, *, public: bool = True, more: tuple[str, ...] = ()) -> Declared:
    def program() -> None:
        args = MlRegistryArgs(
            names=access.names, location="westeurope", more_locations=more, public_network=public, tags={"owner": "me"}
        )
        pulumi.export("ref", vars(MlRegistry("models", args).ref))

    return declare(program)


def test_the_registry_serves_its_regions_once_each(declare: Declare, access: Access) -> None:
    got = registry(declare, access, more=("northeurope", "westeurope"))[KEY]
    assert [region["location"] for region in got["regionDetails"]] == ["westeurope", "northeurope"]
    assert (got["location"], got["tags"]) == ("westeurope", {"owner": "me"})


def test_what_it_keeps_is_opened_by_nobody_anonymous(declare: Declare, access: Access) -> None:
    got = registry(declare, access, public=False)[KEY]
    account = got["regionDetails"][0]["storageAccountDetails"][0]["systemCreatedStorageAccount"]
    assert account["allowBlobPublicAccess"] is False
    assert got["publicNetworkAccess"] == "Disabled"


def test_its_name_is_free_before_it_is_made_again(declare: Declare, access: Access) -> None:
    """The name is the organisation's: a second one cannot stand beside the first."""
    assert registry(declare, access).options[KEY].deleteBeforeReplace


def test_another_stack_finds_it_by_its_names(declare: Declare, access: Access) -> None:
    declared = registry(declare, access)
    found = MlRegistry.existing(access.names, "sub")
    assert found.name == declared.exports["ref"]["name"] == declared[KEY]["registryName"]
    group = declared[KEY]["resourceGroupName"]
    assert found.registry_id == (
        f"/subscriptions/sub/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/registries/{found.name}"
    )
    assert group != access.names.resource_group()
