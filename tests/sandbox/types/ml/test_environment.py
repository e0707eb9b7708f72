import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World

CURATED = "AzureML-sklearn-1.0-ubuntu20.04-py38-cpu"


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


def context(world: World, prefix: str, content: str = "FROM x") -> str:
    world.upload(prefix, {"Dockerfile": content})
    store = world.sandbox.call("GET", f"{world.ws}/datastores/workspaceblobstore").body["properties"]
    return f"https://{store['accountName']}.blob.core.windows.net/{store['containerName']}/{prefix}/"


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({"image": "i", "build": {"contextUri": "https://x/y/"}}, "both image and build"),
        ({"condaFile": "dependencies: []"}, "neither image nor build"),
    ],
)
def test_it_is_an_image_or_a_build_context(world: World, properties: dict[str, object], says: str) -> None:
    refused = world.refused(f"{world.ws}/environments/two/versions/1", {"properties": properties})
    assert refused.status == 400
    assert says in refused.body["error"]["message"]


def test_the_same_context_uploaded_again_is_no_change_and_another_is(world: World) -> None:
    path = f"{world.ws}/environments/built/versions/1"
    first = context(world, "one")
    world.put(path, {"properties": {"build": {"contextUri": first}}})
    again = world.put(path, {"properties": {"build": {"contextUri": context(world, "two")}}})
    assert again["properties"]["build"]["contextUri"] == first
    other = context(world, "three", "FROM y")
    assert world.refused(path, {"properties": {"build": {"contextUri": other}}}).status == 409


def test_the_system_is_linux_unless_said_otherwise_in_any_case(world: World) -> None:
    for name, given, shown in (("a", None, "Linux"), ("b", "linux", "Linux"), ("c", "Windows", "Windows")):
        body = world.put(
            f"{world.ws}/environments/os-{name}/versions/1", {"properties": {"image": "i", "osType": given}}
        )
        assert body["properties"]["osType"] == shown


def test_curated_environments_are_there_without_being_made(world: World) -> None:
    shown = world.sandbox.call("GET", f"{world.ws}/environments/{CURATED}/versions/33").body
    assert shown["properties"]["environmentType"] == "Curated"
    assert shown["properties"]["image"].startswith("mcr.microsoft.com/azureml/curated/sklearn-1.0")
    assert world.refused(f"{world.ws}/environments/{CURATED}/versions/34", {}, "GET").status == 404
    container = world.sandbox.call("GET", f"{world.ws}/environments/{CURATED}").body["properties"]
    assert (container["latestVersion"], container["nextVersion"]) == ("33", "34")
    listed = world.sandbox.call("GET", f"{world.ws}/environments").body["value"]
    assert CURATED in [each["name"] for each in listed]
    assert len(world.sandbox.call("GET", f"{world.ws}/environments/{CURATED}/versions").body["value"]) == 33


def test_azures_names_are_reserved(world: World) -> None:
    refused = world.refused(f"{world.ws}/environments/AzureML-mine/versions/1", {"properties": {"image": "i"}})
    assert (refused.status, refused.code) == (400, "UserError")
    assert "is reserved" in refused.body["error"]["message"]
