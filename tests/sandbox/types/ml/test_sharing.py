"""From a workspace into a registry, and from there into another workspace: bytes, properties and rights."""

from typing import Any

import pytest

from tests.sandbox.conftest import Answer, Sandbox
from tests.sandbox.planes.conftest import assign, make_stranger
from tests.sandbox.types.ml.test_registry import HEADERS, REGION, body, front, place
from tests.sandbox.world import SCORE, Endpoint, World

runs = pytest.mark.runs("Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments")
REGISTRY_USER = "1823dd4f-9b8c-4ab6-ab4e-7397a3684615"
DATA_SCIENTIST = "f6c7c914-8db3-469d-8ca1-694a8f32e121"


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    made = World(sandbox)
    made.upload("trained/model", {"weights.txt": "w1", "deep/card.json": "{}"})
    uri = "azureml://datastores/workspaceblobstore/paths/trained/model"
    described = {"tags": {"auc": "0.7"}, "properties": {"job": "j1"}, "description": "d"}
    body = {"properties": {"modelType": "custom_model", "modelUri": uri, **described}}
    made.put(f"{made.ws}/models/weights/versions/3", body)
    return made


@pytest.fixture(scope="module")
def registry(world: World) -> str:
    return str(world.put(place(world, "Passing"), body())["id"])


def asset_id(world: World, asset: str) -> str:
    guid = world.sandbox.call("GET", world.ws).body["properties"]["workspaceId"]
    return f"azureml://locations/westeurope/workspaces/{guid}/{asset}"


def share(world: World, registry: str, asset: str, name: str, version: str, token: str | None = None) -> Answer:
    url = f"{REGION}/mferp/managementfrontend{registry}/import?api-version=2021-10-01-dataplanepreview"
    source = asset_id(world, asset)
    wanted = {"referenceType": "Id", "sourceAssetId": source, "destinationName": name, "destinationVersion": version}
    return world.sandbox.call("POST", url, {"properties": wanted}, token)


def test_a_shared_model_is_the_registrys_own_with_all_that_described_it(world: World, registry: str) -> None:
    answer = share(world, registry, "models/weights/versions/3", "weights", "3")
    assert (answer.status, answer.body) == (200, None), answer
    there = front(world, "GET", f"{registry}/models/weights/versions/3").body["properties"]
    assert (there["tags"], there["properties"], there["description"]) == ({"auc": "0.7"}, {"job": "j1"}, "d")
    assert there["modelType"] == "custom_model"
    world.blob("trained/model/weights.txt", b"changed afterwards")
    down = front(world, "POST", f"{registry}/datarefs/weights/versions/3", {"blobUri": there["modelUri"]}).body
    address, _, query = down["blobReferenceForConsumption"]["credential"]["sasUri"].partition("?")
    folder = there["modelUri"].removeprefix(f"{address}/")
    read = {
        name: world.sandbox.call("GET", f"{address}/{folder}/{name}?{query}", None, "", HEADERS)
        for name in ("weights.txt", "deep/card.json")
    }
    world.blob("trained/model/weights.txt", b"w1")
    assert read["weights.txt"].body == b"w1"
    original = world.sandbox.call(
        "HEAD", f"https://worldstore.blob.core.windows.net/{store(world)}/trained/model/weights.txt",
        None, world.sandbox.token("https://storage.azure.com"), HEADERS)  # fmt: skip
    assert read["weights.txt"].headers["content-md5"] == original.headers["content-md5"]
    assert read["deep/card.json"].status == 200
    refused = world.sandbox.call("PUT", f"{address}/{folder}/weights.txt?{query}", b"x", "", HEADERS)
    assert refused.status == 403, "a link to read with writes nothing"


def store(world: World) -> str:
    shown = world.sandbox.call("GET", f"{world.ws}/datastores/workspaceblobstore").body["properties"]
    return str(shown["containerName"])


def test_an_environment_is_shared_and_what_is_there_already_is_not_shared_again(world: World, registry: str) -> None:
    world.environment("served", "numpy==2.4.6")
    assert share(world, registry, "environments/served/versions/1", "served", "7").status == 200
    there = front(world, "GET", f"{registry}/environments/served/versions/7").body["properties"]
    assert "numpy==2.4.6" in there["condaFile"]
    again = share(world, registry, "environments/served/versions/1", "served", "7")
    assert (again.status, again.code) == (409, "UserError")


@pytest.mark.parametrize(
    ("asset", "says"),
    [
        ("models/none/versions/1", "models/none/versions/1' does not exist"),
        ("codes/c/versions/1", "want models, environments or data"),
        ("models/weights", "want azureml://locations/"),
    ],
)
def test_what_cannot_be_shared_is_named(world: World, registry: str, asset: str, says: str) -> None:
    answer = share(world, registry, asset, "x", "1")
    assert answer.status in (400, 404)
    assert says in answer.body["error"]["message"]


def test_a_build_context_is_not_shared(world: World, registry: str) -> None:
    world.upload("context", {"Dockerfile": "FROM scratch"})
    uri = f"https://worldstore.blob.core.windows.net/{store(world)}/context/"
    world.put(f"{world.ws}/environments/built/versions/1", {"properties": {"build": {"contextUri": uri}}})
    answer = share(world, registry, "environments/built/versions/1", "built", "1")
    assert (answer.status, answer.code) == (400, "UserError")
    assert "is built from a context: the sandbox shares images" in answer.body["error"]["message"]


def test_files_are_read_as_the_workspace(world: World, registry: str) -> None:
    group = world.ws.partition("/providers/")[0]
    kind = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    world.put(f"{group}/providers/Microsoft.Storage/storageAccounts/foreignstore", kind)
    uri = "https://foreignstore.blob.core.windows.net/there/model"
    body = {"properties": {"modelType": "custom_model", "modelUri": uri}}
    world.put(f"{world.ws}/models/foreign/versions/1", body)
    answer = share(world, registry, "models/foreign/versions/1", "foreign", "1")
    assert answer.status == 403
    assert "the identity of workspace " in answer.body["error"]["message"]


def test_a_workspace_s_id_is_found_in_either_case(world: World, registry: str) -> None:
    asset = asset_id(world, "models/weights/versions/3")
    guid = asset.split("/")[5]
    url = f"{REGION}/mferp/managementfrontend{registry}/import?api-version=2021-10-01-dataplanepreview"
    wanted = {"sourceAssetId": asset.replace(guid, guid.upper()), "destinationName": "either"}
    assert world.sandbox.call("POST", url, {"properties": wanted}).status == 200


@pytest.mark.parametrize(
    ("roles", "status"),
    [((), 403), (("workspace",), 403), (("registry",), 403), (("workspace", "registry"), 200)],
)
def test_who_shares_reads_here_and_writes_there(
    world: World, registry: str, roles: tuple[str, ...], status: int
) -> None:
    who = make_stranger(world.sandbox)
    for each in roles:
        scope, role = (world.ws, DATA_SCIENTIST) if each == "workspace" else (registry, REGISTRY_USER)
        assign(world.sandbox, scope, who.object_id, role)
    token = world.sandbox.token(client=(who.client_id, who.secret))
    answer = share(world, registry, "models/weights/versions/3", f"m{len(roles)}", "1", token)
    assert answer.status == status, answer


def test_its_links_and_assets_are_for_who_has_a_role_there(world: World, registry: str) -> None:
    who = make_stranger(world.sandbox)
    token = world.sandbox.token(client=(who.client_id, who.secret))
    base = f"{REGION}/mferp/managementfrontend"
    version = "?api-version=2021-10-01-dataplanepreview"

    def statuses() -> list[int]:
        return [
            world.sandbox.call("GET", f"{base}{registry}/models/weights/versions{version}", None, token).status,
            world.sandbox.call("PUT", f"{base}{registry}/tempdatarefs/q/versions/1{version}", {}, token).status,
            world.sandbox.call("POST", f"{base}{registry}/datarefs/weights/versions/3{version}", {}, token).status,
        ]

    assert statuses() == [403, 403, 403]
    assign(world.sandbox, registry, who.object_id, REGISTRY_USER)
    assert statuses() == [200, 200, 200]


@runs
def test_another_workspace_serves_it_once_its_endpoint_may_read_the_registry(world: World, registry: str) -> None:
    shown = world.sandbox.call("GET", world.ws).body["properties"]
    other = f"{world.ws.rpartition('/')[0]}/production"
    places = {name: shown[name] for name in ("storageAccount", "keyVault")}
    world.put(other, {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": places})
    share(world, registry, "models/weights/versions/3", "served", "3")
    path = f"{other}/onlineEndpoints/promoted"
    settings = {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {"authMode": "Key"}}
    made = world.put(path, settings)
    endpoint, principal = Endpoint(world, path), made["identity"]["principalId"]
    base = "azureml://registries/Passing"
    wanted = endpoint.body("p", model=f"{base}/models/served/versions/3", **assets(world, registry))
    error = world.operation_error(f"{path}/deployments/blue", wanted)
    assert "AzureML Registry User" in error
    assert "registries/Passing" in error
    assign(world.sandbox, registry, principal, REGISTRY_USER)
    world.put(f"{path}/deployments/blue", wanted)
    assert endpoint.traffic(blue=100).status == 200
    assert endpoint.score({}).body["weights"] == "w1"


def assets(world: World, registry: str) -> dict[str, Any]:
    """Environment and scoring code of the registry, for a deployment."""
    base = "azureml://registries/Passing"
    conda = "dependencies:\n- python=3.11\n- pip:\n  - azureml-inference-server-http==1.5.1\n"
    content = {"properties": {"image": "mcr.microsoft.com/azureml/minimal", "condaFile": conda}}
    assert front(world, "PUT", f"{registry}/environments/serve/versions/1", content).status in (200, 201)
    up = front(world, "PUT", f"{registry}/tempdatarefs/score/versions/1", {}).body["blobReferenceForConsumption"]
    address, _, query = up["credential"]["sasUri"].partition("?")
    assert world.sandbox.call("PUT", f"{address}/src/score.py?{query}", SCORE.encode(), "", HEADERS).status == 201
    code = {"properties": {"codeUri": f"{up['blobUri']}/src"}}
    assert front(world, "PUT", f"{registry}/codes/score/versions/1", code).status in (200, 201)
    return {
        "environmentId": f"{base}/environments/serve/versions/1",
        "codeConfiguration": {"codeId": f"{base}/codes/score/versions/1", "scoringScript": "score.py"},
    }
