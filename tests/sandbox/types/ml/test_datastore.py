import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World

SAS = {"credentialsType": "Sas", "secrets": {"secretsType": "Sas", "sasToken": "sv=x"}}


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


def put(world: World, name: str, **properties: object) -> str:
    body = {
        "datastoreType": "AzureBlob", "accountName": "worldstore", "containerName": "azureml",
        "credentials": {"credentialsType": "None"}, **properties,
    }  # fmt: skip
    return str(world.put(f"{world.ws}/datastores/{name}", {"properties": body})["id"])


def test_secrets_are_shown_by_one_action_only(world: World) -> None:
    path = put(world, "secret", credentials=SAS)
    shown = world.sandbox.call("GET", path).body["properties"]
    assert shown["credentials"] == {"credentialsType": "Sas"}
    assert world.sandbox.call("POST", f"{path}/listSecrets").body == {"secretsType": "Sas", "sasToken": "sv=x"}


def test_one_reached_by_identity_has_no_secrets(world: World) -> None:
    refused = world.refused(f"{put(world, 'plain')}/listSecrets", {}, "POST")
    assert refused.status == 400
    assert "reached by identity" in refused.body["error"]["message"]


def test_credentials_need_their_secrets(world: World) -> None:
    body = {"datastoreType": "AzureBlob", "credentials": {"credentialsType": "AccountKey"}}
    refused = world.refused(f"{world.ws}/datastores/keyed", {"properties": body})
    assert (refused.status, refused.code) == (400, "InvalidRequestContent")
    assert "AccountKeyDatastoreCredentials needs 'secrets'" in refused.body["error"]["message"]


def test_lists_by_default_and_by_name(world: World) -> None:
    put(world, "listed")

    def names(query: str) -> list[str]:
        found = world.sandbox.call("GET", f"{world.ws}/datastores?api-version=2025-12-01{query}").body["value"]
        return [each["name"] for each in found]

    assert names("&isDefault=true") == ["workspaceblobstore"]
    assert names("&names=listed,workspacefilestore") == ["listed", "workspacefilestore"]
    assert len(names("")) >= 5


def test_the_default_stays_and_others_go(world: World) -> None:
    refused = world.refused(f"{world.ws}/datastores/workspaceblobstore", {}, "DELETE")
    assert "is the workspace's default" in refused.body["error"]["message"]
    assert world.sandbox.call("DELETE", put(world, "gone")).status == 200


def test_its_type_cannot_change_and_its_name_has_no_hyphen(world: World) -> None:
    path = put(world, "typed")
    body = {"datastoreType": "AzureFile", "accountName": "worldstore", "fileShareName": "x", "credentials": SAS}
    assert world.refused(path, {"properties": body}).code == "PropertyChangeNotAllowed"
    assert world.refused(f"{world.ws}/datastores/a-b", {"properties": body}).code == "InvalidResourceName"
