"""The storage account: identities only, private containers, a deployer that may upload."""

import pytest

import roles
from components.access import Access
from components.place import GroupPlace
from components.storage import Storage, StorageArgs
from tests.conftest import DEPLOYER, Declare, Declared

ACCOUNT = "mlops:azure:Storage$azure-native:storage:StorageAccount::ml-account"


def storage(declare: Declare, place: GroupPlace, access: Access, public_network: bool = True) -> Declared:
    args = StorageArgs(
        place=place,
        account_name="stmlopstest",
        sku="Standard_LRS",
        access=access,
        public_network=public_network,
    )
    return declare(lambda: Storage("ml", args))


def test_no_key_and_no_anonymous_caller_opens_the_account(declare: Declare, place: GroupPlace, access: Access) -> None:
    got = storage(declare, place, access)[ACCOUNT]
    assert got["allowSharedKeyAccess"] is False
    assert got["allowBlobPublicAccess"] is False
    assert got["allowCrossTenantReplication"] is False
    assert got["enableHttpsTrafficOnly"] is True
    assert got["minimumTlsVersion"] == "TLS1_2"


def test_the_account_is_what_was_asked_for(declare: Declare, place: GroupPlace, access: Access) -> None:
    declared = storage(declare, place, access)
    got = declared[ACCOUNT]
    assert (got["accountName"], got["resourceGroupName"], got["location"]) == ("stmlopstest", "rg", "westeurope")
    assert (got["sku"], got["kind"], got["tags"]) == ({"name": "Standard_LRS"}, "StorageV2", place.tags)
    assert declared.options[ACCOUNT].deleteBeforeReplace


@pytest.mark.parametrize("container", ["code", "data", "releases"])
def test_containers_are_private(declare: Declare, place: GroupPlace, access: Access, container: str) -> None:
    got = storage(declare, place, access)[f"mlops:azure:Storage$azure-native:storage:BlobContainer::ml-{container}"]
    assert (got["containerName"], got["publicAccess"], got["accountName"]) == (container, "None", "stmlopstest")


def test_the_deployer_may_upload(declare: Declare, place: GroupPlace, access: Access) -> None:
    got = storage(declare, place, access).only("authorization:RoleAssignment")
    assert got["principalId"] == DEPLOYER
    assert got["roleDefinitionId"].endswith(roles.STORAGE_BLOB_DATA_CONTRIBUTOR.guid)
    assert got["scope"] == "ml-account-id"


@pytest.mark.parametrize(("public", "said"), [(True, "Enabled"), (False, "Disabled")])
def test_it_is_reached_from_where_it_was_asked_to_be(
    declare: Declare, place: GroupPlace, access: Access, public: bool, said: str
) -> None:
    assert storage(declare, place, access, public)[ACCOUNT]["publicNetworkAccess"] == said
