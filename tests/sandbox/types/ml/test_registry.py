from typing import Any

import pytest

from tests.sandbox.conftest import Answer, Sandbox
from tests.sandbox.world import ML, World, until

REGION = "https://westeurope.api.azureml.ms"
HEADERS = {"x-ms-version": "2024-11-04", "x-ms-blob-type": "BlockBlob", "Content-Type": "text/plain"}


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


@pytest.fixture(scope="module")
def registry(world: World) -> str:
    return str(world.put(place(world, "Shared"), body())["id"])


def place(world: World, name: str) -> str:
    return f"{world.ws.split('/providers/')[0]}/providers/{ML}/registries/{name}"


def body(*regions: str) -> dict[str, Any]:
    details = [{"location": region} for region in regions or ("westeurope",)]
    return {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {"regionDetails": details}}


def front(world: World, method: str, path: str, content: object = None) -> Answer:
    """Ask at the address that clients reach a registry's assets by."""
    url = f"{REGION}/mferp/managementfrontend{path}?api-version=2021-10-01-dataplanepreview"
    return world.sandbox.call(method, url, content)


def test_any_region_tells_where_a_registry_is(world: World, registry: str) -> None:
    for name in ("Shared", "shared"):
        url = f"https://eastus.api.azureml.ms/registrymanagement/v1.0/registries/{name}/discovery"
        found = world.sandbox.call("GET", url).body
        assert (found["registryName"], found["primaryRegion"]) == ("Shared", "westeurope")
        assert found["resourceGroup"] == "world"
        assert found["primaryRegionResourceProviderUri"] == f"{REGION}/"
    absent = world.sandbox.call("GET", f"{REGION}/registrymanagement/v1.0/registries/none/discovery")
    assert (absent.status, absent.code) == (404, "UserError")
    unsigned = world.sandbox.call("GET", f"{REGION}/registrymanagement/v1.0/registries/Shared/discovery", token="")
    assert unsigned.status == 401


def test_its_own_region_is_among_its_regions(world: World) -> None:
    refused = world.refused(place(world, "elsewhere"), body("northeurope"))
    assert "regionDetails of registry 'elsewhere' name northeurope" in refused.body["error"]["message"]


def test_a_region_may_be_spelled_as_people_do(world: World) -> None:
    assert world.put(place(world, "spelled"), body("North Europe", "West Europe"))["location"] == "westeurope"


def test_its_name_is_taken_once_in_azure(world: World, registry: str) -> None:
    other = world.sandbox.group("elsewhere")
    refused = world.refused(f"{other}/providers/{ML}/registries/shared", body())
    assert (refused.status, refused.code) == (409, "NameNotAvailable")


def test_its_storage_comes_and_goes_with_it(world: World) -> None:
    path = place(world, "passing")
    group = world.put(path, body())["properties"]["managedResourceGroup"]["resourceId"]
    accounts = f"{group}/providers/Microsoft.Storage/storageAccounts"
    assert len(world.sandbox.call("GET", accounts).body["value"]) == 1
    assert world.put(path, body())["properties"]["managedResourceGroup"]["resourceId"] == group
    world.sandbox.call("DELETE", path)
    assert world.sandbox.call("GET", group).status == 404


def test_a_group_that_it_did_not_make_stays(world: World) -> None:
    path = place(world, "replaced")
    group = world.put(path, body())["properties"]["managedResourceGroup"]["resourceId"]
    assert world.sandbox.call("PUT", group, {"location": "westeurope", "tags": {"a": "b"}}).body["managedBy"] == path
    assert world.sandbox.call("DELETE", group).status in (200, 202)
    until(lambda: world.sandbox.call("GET", group).status == 404)
    assert world.sandbox.group(group.rpartition("/")[2]) == group
    identity = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mine"
    assert world.sandbox.call("PUT", identity, {"location": "westeurope"}).status == 201
    world.sandbox.call("DELETE", path)
    assert world.sandbox.call("GET", path).status == 404
    assert world.sandbox.call("GET", identity).status == 200


def test_its_assets_have_their_own_ids_at_its_address_and_arms_in_arm(world: World, registry: str) -> None:
    path = f"{registry}/environments/served/versions/1"
    made = front(world, "PUT", path, {"properties": {"image": "i"}})
    assert (made.status, made.body["id"]) == (201, "azureml://registries/shared/environments/served/versions/1")
    listed = front(world, "GET", f"{registry}/environments/served/versions").body["value"]
    assert [each["id"] for each in listed] == [made.body["id"]]
    assert world.sandbox.call("GET", path).body["id"] == path
    missing = front(world, "GET", f"{registry}/environments/served/versions/2")
    assert (missing.status, missing.code) == (404, "ResourceNotFound")


def test_a_workspace_uses_its_assets_by_their_id(world: World, registry: str) -> None:
    front(world, "PUT", f"{registry}/environments/shared/versions/1", {"properties": {"image": "i"}})
    reference = "azureml://registries/Shared/environments/shared/versions/1"
    specification = {"type": "command", "command": "true", "environment": reference}
    made = world.put(f"{world.ws}/components/uses/versions/1", {"properties": {"componentSpec": specification}})
    assert made["properties"]["componentSpec"]["environment"].lower() == reference.lower()
    specification["environment"] = reference.replace("/1", "/2")
    refused = world.refused(f"{world.ws}/components/uses/versions/2", {"properties": {"componentSpec": specification}})
    assert refused.status == 400
    used = world.sandbox.call("PUT", f"{world.ws}/jobs/uses", {"properties": {
        "jobType": "Command", "command": "sleep 60", "environmentId": reference}})  # fmt: skip
    assert used.status == 201
    assert world.refused(f"{registry}/environments/shared/versions/1", {}, "DELETE").status == 409
    world.sandbox.call("POST", f"{world.ws}/jobs/uses/cancel")


def test_a_command_without_code_gets_an_empty_snapshot_once(world: World, registry: str) -> None:
    path, content = f"{registry}/components/bare/versions/1", {"componentSpec": {"type": "command", "command": "true"}}
    code = front(world, "PUT", path, {"properties": content}).body["properties"]["componentSpec"]["code"]
    assert code.startswith("azureml://registries/shared/codes/")
    again = front(world, "PUT", path, {"properties": content})
    assert (again.status, again.body["properties"]["componentSpec"]["code"]) == (200, code)


def test_files_go_up_and_come_down_by_links(world: World, registry: str) -> None:
    asked = {"assetId": "azureml://registries/Shared/models/m/versions/1", "temporaryDataReferenceType": "x"}
    up = front(world, "PUT", f"{registry}/tempdatarefs/m/versions/1", asked).body["blobReferenceForConsumption"]
    address, _, query = up["credential"]["sasUri"].partition("?")
    assert world.sandbox.call("PUT", f"{address}/m/w?{query}", b"weights", "", HEADERS).status == 201
    content = {"modelUri": f"{up['blobUri']}/m", "modelType": "custom_model"}
    assert front(world, "PUT", f"{registry}/models/m/versions/1", {"properties": content}).status == 201
    down = front(world, "POST", f"{registry}/datarefs/m/versions/1", {"blobUri": content["modelUri"]}).body
    address, _, query = down["blobReferenceForConsumption"]["credential"]["sasUri"].partition("?")
    read = world.sandbox.call("GET", f"{address}/m/w?{query}", None, "", {"x-ms-version": "2024-11-04"})
    assert (read.status, read.body) == (200, b"weights")


def test_a_link_to_read_is_for_the_files_of_the_asset_that_it_is_asked_for(world: World, registry: str) -> None:
    account = ""
    containers = {}
    for name in ("one", "two"):
        up = front(world, "PUT", f"{registry}/tempdatarefs/{name}/versions/1", {}).body["blobReferenceForConsumption"]
        account, _, containers[name] = up["blobUri"].rpartition("/")
        content = {"modelUri": f"{up['blobUri']}/m", "modelType": "custom_model"}
        assert front(world, "PUT", f"{registry}/models/{name}/versions/1", {"properties": content}).status == 201

    def asked(name: str, **more: str) -> Answer:
        return front(world, "POST", f"{registry}/datarefs/{name}/versions/1", more)

    own = asked("one").body["blobReferenceForConsumption"]
    assert own["blobUri"] == f"{account}/{containers['one']}"
    for refused in (
        asked("one", blobUri=f"{account}/{containers['two']}/m"),
        asked("one", blobUri=f"{account}/{containers['one']}/much"),
        asked("absent", blobUri=f"{account}/{containers['one']}/m"),
    ):
        assert (refused.status, refused.code) == (404, "UserError"), refused
        assert "Registry 'Shared' has no asset" in refused.body["error"]["message"]


def test_its_storage_takes_no_group_that_is_there(world: World) -> None:
    kept = world.sandbox.group("kept")
    for group in (kept, kept.upper(), f"{kept}/providers/{ML}/workspaces/x"):
        wanted = body()
        wanted["properties"]["managedResourceGroup"] = {"resourceId": group}
        refused = world.refused(place(world, "grabs"), wanted)
        assert (refused.status, refused.code) == (409, "ManagedResourceGroupConflict"), refused
