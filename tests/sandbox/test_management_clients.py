"""Azure's management clients, unmodified: create, read, list, update, delete."""

import os
from collections.abc import Iterator

import pytest
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.keyvault.models import Sku as VaultSku
from azure.mgmt.keyvault.models import (
    VaultCheckNameAvailabilityParameters,
    VaultCreateOrUpdateParameters,
    VaultProperties,
)
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.storage import StorageManagementClient
from azure.mgmt.storage.models import (
    BlobContainer,
    StorageAccountCreateParameters,
    StorageAccountUpdateParameters,
)
from azure.mgmt.storage.models import Sku as StorageSku

from sandbox.constants import SUBSCRIPTION_ID, TENANT_ID
from tests.sandbox.conftest import Sandbox

ACCOUNT = StorageAccountCreateParameters(location="westeurope", kind="StorageV2", sku=StorageSku(name="Standard_LRS"))
VAULT = VaultCreateOrUpdateParameters(
    location="westeurope", properties=VaultProperties(tenant_id=TENANT_ID, sku=VaultSku(family="A", name="standard"))
)


@pytest.fixture(scope="module")
def credential(sandbox: Sandbox) -> Iterator[TokenCredential]:
    """The credential that finds itself, in the sandbox's environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.environment.items():
            patch.setenv(name, value)
        assert os.environ["AZURE_SUBSCRIPTION_ID"] == SUBSCRIPTION_ID
        with DefaultAzureCredential() as found:
            yield found


@pytest.fixture(scope="module")
def resources(credential: TokenCredential) -> Iterator[ResourceManagementClient]:
    with ResourceManagementClient(credential, SUBSCRIPTION_ID) as client:
        client.resource_groups.create_or_update("clients", {"location": "westeurope"})
        yield client


@pytest.fixture(scope="module")
def storage(credential: TokenCredential, resources: object) -> Iterator[StorageManagementClient]:
    with StorageManagementClient(credential, SUBSCRIPTION_ID) as client:
        yield client


@pytest.fixture(scope="module")
def keyvault(credential: TokenCredential, resources: object) -> Iterator[KeyVaultManagementClient]:
    with KeyVaultManagementClient(credential, SUBSCRIPTION_ID) as client:
        yield client


def test_resource_groups(resources: ResourceManagementClient, storage: StorageManagementClient) -> None:
    made = resources.resource_groups.create_or_update("short", {"location": "westeurope", "tags": {"team": "ml"}})
    assert (made.location, made.tags) == ("westeurope", {"team": "ml"})
    assert "short" in [each.name for each in resources.resource_groups.list()]
    storage.storage_accounts.begin_create("short", "shortgroup", ACCOUNT).result()
    assert [each.name for each in resources.resources.list_by_resource_group("short")] == ["shortgroup"]
    wanted = "resourceType eq 'Microsoft.Storage/storageAccounts'"
    assert "shortgroup" in [each.name for each in resources.resources.list(filter=wanted)]
    with pytest.raises(HttpResponseError, match="InvalidFilterInQueryString"):
        list(resources.resources.list(filter="substringof('a', name)"))
    resources.resource_groups.begin_delete("short").result()
    assert not resources.resource_groups.check_existence("short")
    with pytest.raises(ResourceNotFoundError):
        storage.storage_accounts.get_properties("short", "shortgroup")


def test_storage_accounts(storage: StorageManagementClient) -> None:
    accounts = storage.storage_accounts
    assert accounts.check_name_availability(
        {"name": "clientstore", "type": "Microsoft.Storage/storageAccounts"}
    ).name_available
    made = accounts.begin_create("clients", "clientstore", ACCOUNT).result()
    assert made.as_dict()["properties"]["primaryEndpoints"]["blob"] == "https://clientstore.blob.core.windows.net/"
    assert len(accounts.list_keys("clients", "clientstore").as_dict()["keys"]) == 2
    updated = accounts.update("clients", "clientstore", StorageAccountUpdateParameters(tags={"team": "ml"}))
    assert (updated.tags, updated.as_dict()["sku"]["name"]) == ({"team": "ml"}, "Standard_LRS")
    assert [each.name for each in accounts.list_by_resource_group("clients")] == ["clientstore"]
    storage.blob_containers.create("clients", "clientstore", "data", BlobContainer())
    assert [each.name for each in storage.blob_containers.list("clients", "clientstore")] == ["data"]
    assert storage.blob_services.get_service_properties("clients", "clientstore").name == "default"
    storage.blob_containers.delete("clients", "clientstore", "data")
    with pytest.raises(ResourceNotFoundError):
        storage.blob_containers.get("clients", "clientstore", "data")
    accounts.delete("clients", "clientstore")
    accounts.delete("clients", "clientstore")
    with pytest.raises(ResourceNotFoundError):
        accounts.get_properties("clients", "clientstore")


def test_key_vaults(keyvault: KeyVaultManagementClient) -> None:
    vaults = keyvault.vaults
    made = vaults.begin_create_or_update("clients", "client-vault", VAULT).result()
    assert made.properties.vault_uri == "https://client-vault.vault.azure.net/"
    assert [each.name for each in vaults.list_by_resource_group("clients")] == ["client-vault"]
    assert "client-vault" in [each.name for each in vaults.list()]
    vaults.delete("clients", "client-vault")
    assert vaults.get_deleted("client-vault", "westeurope").as_dict()["properties"]["vaultId"] == made.id
    assert [each.name for each in vaults.list_deleted()] == ["client-vault"]
    with pytest.raises(ResourceExistsError):
        vaults.begin_create_or_update("clients", "client-vault", VAULT)
    vaults.begin_purge_deleted("client-vault", "westeurope").result()
    assert list(vaults.list_deleted()) == []
    assert vaults.check_name_availability(VaultCheckNameAvailabilityParameters(name="client-vault")).name_available
