import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient, generate_container_sas

from sandbox.constants import TENANT_ID
from tests.sandbox.conftest import Sandbox
from tests.sandbox.planes.conftest import assign, make_stranger
from tests.sandbox.world import READER, World

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


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_secrets_are_sealed_in_the_state(world: World, method: str) -> None:
    canary = f"sig=canary-{uuid.uuid4()}"
    credentials = {"credentialsType": "Sas", "secrets": {"secretsType": "Sas", "sasToken": canary}}
    path = put(world, "sealed", credentials=SAS if method == "PATCH" else credentials)
    if method == "PATCH":
        assert world.sandbox.call("PATCH", path, {"properties": {"credentials": credentials}}).status == 200
    world.sandbox.call("PATCH", path, {"tags": {"another": "write"}})
    assert world.sandbox.call("POST", f"{path}/listSecrets").body["sasToken"] == canary
    files = [each for each in world.sandbox.home.root.rglob("*") if each.is_file()]
    assert any(each.name == "state.db" for each in files)
    assert [each.name for each in files if canary.encode() in each.read_bytes()] == []


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


def readable(world: World, name: str, credentials: Mapping[str, object]) -> str:
    """Why a job cannot read through a datastore with these credentials; '' when it can."""
    put(world, name, accountName="foreign", containerName="secret", credentials=credentials)
    uri = f"azureml://datastores/{name}/paths/a"
    job = world.submit(f"by-{name}", "cat ${{inputs.d}}", inputs={"d": {"jobInputType": "uri_file", "uri": uri}})
    return "" if world.ended(job) == "Completed" else world.error(job)


@pytest.mark.runs("Microsoft.MachineLearningServices/workspaces/jobs")
def test_a_job_reads_through_a_datastore_whose_credential_opens_it(world: World) -> None:
    account = f"{world.sandbox.group('foreign')}/providers/Microsoft.Storage/storageAccounts/foreign"
    world.put(account, {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}})
    key, spare = (each["value"] for each in world.sandbox.call("POST", f"{account}/listKeys").body["keys"])
    with BlobServiceClient("https://foreign.blob.core.windows.net", key, **through(world)) as service:
        for container in ("secret", "other"):
            service.create_container(container).upload_blob("a", b"x")

    def by_key(text: str) -> dict[str, object]:
        return {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": text}}

    def by_sas(container: str, letters: str, hours: int) -> dict[str, object]:
        token = generate_container_sas(
            "foreign", container, account_key=key, permission=letters, expiry=datetime.now(UTC) + timedelta(hours=hours)
        )
        return {"credentialsType": "Sas", "secrets": {"secretsType": "Sas", "sasToken": token}}

    def by_application(secret: str) -> dict[str, object]:
        kept = {"secretsType": "ServicePrincipal", "clientSecret": secret}
        return {
            "credentialsType": "ServicePrincipal", "clientId": who.client_id, "tenantId": TENANT_ID, "secrets": kept,
        }  # fmt: skip

    assert "its key is none of 'foreign'" in readable(world, "made_up", by_key(spare[::-1]))
    assert readable(world, "known", by_key(spare)) == ""
    assert readable(world, "signed", by_sas("secret", "rl", 1)) == ""
    assert "signature does not match" in readable(world, "elsewhere", by_sas("other", "rl", 1))
    assert "none of 'r'" in readable(world, "writes", by_sas("secret", "w", 1))
    assert "not valid in the specified time" in readable(world, "late", by_sas("secret", "rl", -1))
    assert "signature does not match" in readable(world, "nonsense", SAS)
    who = make_stranger(world.sandbox)
    assert "cannot sign in" in readable(world, "guessed", by_application("guess"))
    assert "has no role" in readable(world, "roleless", by_application(who.secret))
    assign(world.sandbox, account, who.object_id, READER)
    assert readable(world, "application", by_application(who.secret)) == ""
    world.sandbox.call("PATCH", account, {"properties": {"allowSharedKeyAccess": False}})
    assert "not permitted on 'foreign'" in readable(world, "closed", by_key(spare))


def through(world: World) -> dict[str, Any]:
    """What makes one client local."""
    environment = world.sandbox.environment
    return {
        "proxies": {"https": environment["HTTPS_PROXY"]},
        "connection_verify": environment["REQUESTS_CA_BUNDLE"],
    }


def test_no_datastore_borrows_another_accounts_key(world: World) -> None:
    place = {
        name: world.sandbox.call("GET", world.ws).body["properties"][name] for name in ("storageAccount", "keyVault")
    }
    keyed = f"{world.ws.rpartition('/')[0]}/borrows"
    world.put(keyed, {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": place})
    system = f"{keyed}/datastores/workspaceblobstore"
    own = world.sandbox.call("POST", f"{world.storage}/listKeys").body["keys"][0]["value"]
    assert world.sandbox.call("POST", f"{system}/listSecrets").body["key"] == own
    for method, path in (("PATCH", system), ("PUT", f"{keyed}/datastores/workspaceartifactstore")):
        body = {"datastoreType": "AzureBlob", "accountName": "foreign", "containerName": "secret", "credentials": SAS}
        refused = world.refused(path, {"properties": body}, method)
        assert "was made with the workspace: its accountName is 'worldstore'" in refused.body["error"]["message"]
