from typing import Any

import pytest

from sandbox.constants import TENANT_ID
from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World

ML = "Microsoft.MachineLearningServices"


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


def body(world: World, **properties: Any) -> dict[str, Any]:
    vault = world.sandbox.call("GET", world.ws).body["properties"]["keyVault"]
    return {"location": "westeurope", "properties": {"storageAccount": world.storage, "keyVault": vault, **properties}}


def beside(world: World, name: str) -> str:
    return f"{world.ws.rsplit('/', 1)[0]}/{name}"


def principals(world: World, target: str) -> set[str]:
    listed = world.sandbox.call("GET", f"{target}/providers/Microsoft.Authorization/roleAssignments").body["value"]
    return {each["properties"]["principalId"] for each in listed}


def test_its_addresses_name_its_region_and_id(world: World) -> None:
    shown = world.sandbox.call("GET", world.ws).body["properties"]
    assert shown["discoveryUrl"] == "https://westeurope.api.azureml.ms/discovery"
    assert shown["mlFlowTrackingUri"] == f"azureml://westeurope.api.azureml.ms/mlflow/v1.0{world.ws}"
    assert (shown["tenantId"], len(shown["workspaceId"])) == (TENANT_ID, 36)


def test_the_id_stays_when_the_workspace_changes(world: World) -> None:
    before = world.sandbox.call("GET", world.ws).body["properties"]["workspaceId"]
    patched = world.sandbox.call("PATCH", world.ws, {"properties": {"friendlyName": "Other"}}).body["properties"]
    assert (patched["workspaceId"], patched["friendlyName"]) == (before, "Other")


def test_it_is_born_with_datastores_and_the_containers_that_they_name(world: World) -> None:
    stores = world.sandbox.call("GET", f"{world.ws}/datastores").body["value"]
    assert [(each["name"], each["properties"]["isDefault"]) for each in stores] == [
        ("workspaceartifactstore", False), ("workspaceblobstore", True),
        ("workspacefilestore", False), ("workspaceworkingdirectory", False),
    ]  # fmt: skip
    workspace_id = world.sandbox.call("GET", world.ws).body["properties"]["workspaceId"]
    for container in (f"azureml-blobstore-{workspace_id}", "azureml"):
        assert world.sandbox.call("GET", f"{world.storage}/blobServices/default/containers/{container}").status == 200
    share = f"{world.storage}/fileServices/default/shares/azureml-filestore-{workspace_id}"
    assert world.sandbox.call("GET", share).status == 200
    assert {each["properties"]["credentials"]["credentialsType"] for each in stores} == {"None"}


def test_with_account_keys_the_datastores_hold_one(world: World) -> None:
    path = beside(world, "keyed")
    world.put(path, body(world, systemDatastoresAuthMode="accessKey"))
    store = world.sandbox.call("GET", f"{path}/datastores/workspaceblobstore").body["properties"]
    assert store["credentials"] == {"credentialsType": "AccountKey"}
    secrets = world.sandbox.call("POST", f"{path}/datastores/workspaceblobstore/listSecrets").body
    keys = world.sandbox.call("POST", f"{world.storage}/listKeys").body["keys"]
    assert secrets == {"secretsType": "AccountKey", "key": keys[0]["value"]}


def test_its_identity_may_use_its_storage_and_vault_as_long_as_it_lives(world: World) -> None:
    path = beside(world, "identified")
    made = world.put(path, {**body(world), "identity": {"type": "SystemAssigned"}})
    principal, vault = made["identity"]["principalId"], made["properties"]["keyVault"]
    assert principal in principals(world, world.storage) & principals(world, vault)
    assert world.sandbox.call("DELETE", path).status == 200
    assert principal not in principals(world, world.storage) | principals(world, vault)


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({"storageAccount": None}, "it needs storageAccount"),
        ({"systemDatastoresAuthMode": "none"}, "systemDatastoresAuthMode is 'none'"),
        ({"applicationInsights": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Insights/components/no"},
         "does not exist as Microsoft.Insights/components"),
    ],
)  # fmt: skip
def test_what_azure_refuses_is_refused(world: World, properties: dict[str, Any], says: str) -> None:
    refused = world.refused(beside(world, "refused"), body(world, **properties))
    assert refused.status == 400
    assert says in refused.body["error"]["message"]


def test_kinds_are_azures_and_a_project_needs_its_hub(world: World) -> None:
    path = beside(world, "kinds")
    for kind, says in (
        ("Cluster", "want one of Default, FeatureStore, Hub, Project"),
        ("project", "needs hubResourceId"),
    ):
        refused = world.refused(path, {**body(world), "kind": kind})
        assert says in refused.body["error"]["message"]


def test_with_user_assigned_identities_one_of_them_is_primary(world: World) -> None:
    group = world.ws.split("/providers/")[0]
    identity = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/own"
    world.put(identity, {"location": "westeurope"})
    users = {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
    path = beside(world, "users")
    refused = world.refused(path, {**body(world), "identity": users})
    assert "primaryUserAssignedIdentity must be one of" in refused.body["error"]["message"]
    made = world.put(path, {**body(world, primaryUserAssignedIdentity=identity), "identity": users})
    assert made["properties"]["primaryUserAssignedIdentity"] == identity


@pytest.mark.parametrize("name", ["ab", "-ws", "a" * 34, "with.dot"])
def test_names_that_azure_refuses_are_refused(world: World, name: str) -> None:
    refused = world.refused(beside(world, name), body(world))
    assert (refused.status, refused.code) == (400, "InvalidResourceName")


def test_its_storage_cannot_change(world: World) -> None:
    group = world.ws.split("/providers/")[0]
    other = f"{group}/providers/Microsoft.Storage/storageAccounts/otherstore"
    world.put(other, {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}})
    refused = world.refused(world.ws, body(world, storageAccount=other))
    assert (refused.status, refused.code) == (409, "PropertyChangeNotAllowed")


def test_a_deleted_one_keeps_its_name_until_it_is_recovered_or_purged(world: World) -> None:
    path = beside(world, "softly")
    identified = {"identity": {"type": "SystemAssigned"}}
    made = world.put(path, {**body(world), **identified})
    first, principal = made["properties"]["workspaceId"], made["identity"]["principalId"]
    world.put(f"{path}/environments/kept/versions/1", {"properties": {"image": "i"}})
    assert world.sandbox.call("DELETE", path).status == 200
    refused = world.refused(path, body(world))
    assert (refused.status, refused.code) == (409, "ConflictError")
    assert "exists in deleted state" in refused.body["error"]["message"]
    back = world.put(path, {**body(world, allowRecoverSoftDeletedWorkspace=True), **identified})
    assert back["identity"]["principalId"] == principal
    assert principal in principals(world, world.storage)
    assert back["properties"]["workspaceId"] == first
    assert world.sandbox.call("GET", f"{path}/environments/kept/versions/1").status == 200
    assert world.sandbox.call("DELETE", f"{path}?api-version=2025-12-01&forceToPurge=true").status == 200
    assert world.put(path, body(world))["properties"]["workspaceId"] != first
    assert world.sandbox.call("GET", f"{path}/environments/kept/versions/1").status == 404


def test_a_deleted_one_can_be_purged_afterwards(world: World) -> None:
    path = beside(world, "purged")
    world.put(path, body(world))
    world.sandbox.call("DELETE", path)
    purge = f"{path}?api-version=2025-12-01&forceToPurge=true"
    assert [world.sandbox.call("DELETE", purge).status for _ in range(2)] == [200, 204]
    assert world.sandbox.call("PUT", path, body(world)).status == 200


def test_diagnose_names_what_belongs_to_it_and_is_gone(world: World) -> None:
    group = world.ws.split("/providers/")[0]
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/shortlived"
    world.put(account, {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}})
    path = beside(world, "ailing")
    world.put(path, body(world, storageAccount=account))
    assert not any(world.sandbox.call("POST", f"{path}/diagnose").body["value"].values())
    world.sandbox.call("DELETE", account)
    found = world.sandbox.call("POST", f"{path}/diagnose").body["value"]
    assert "shortlived is not there" in found["storageAccountResults"][0]["message"]
    assert found["keyVaultResults"] == []


def test_keys_are_those_of_its_resources(world: World) -> None:
    keys = world.sandbox.call("POST", f"{world.storage}/listKeys").body["keys"]
    found = world.sandbox.call("POST", f"{world.ws}/listKeys").body
    assert (found["userStorageKey"], found["userStorageResourceId"]) == (keys[0]["value"], world.storage)
    assert world.sandbox.call("POST", f"{world.ws}/listNotebookKeys").body == found["notebookAccessKeys"]
    assert world.sandbox.call("POST", f"{world.ws}/resyncKeys").status == 200
