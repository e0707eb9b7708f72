import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World

STORE = "azureml://datastores/workspaceblobstore/paths"


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


def body(kind: str, uri: str) -> dict[str, object]:
    return {"properties": {"dataType": kind, "dataUri": uri}}


@pytest.mark.parametrize(("kind", "ends"), [("uri_folder", "/x/"), ("mltable", "/x/"), ("uri_file", "/x")])
def test_a_folders_uri_ends_in_a_slash(world: World, kind: str, ends: str) -> None:
    path = f"{world.ws}/data/{kind}/versions/1"
    assert world.put(path, body(kind, f"{STORE}/x"))["properties"]["dataUri"].endswith(ends)
    assert world.put(path, body(kind, f"{STORE}/x"))["properties"]["dataUri"].endswith(ends), "and is the same again"


def test_all_versions_are_of_the_type_of_the_first(world: World) -> None:
    world.put(f"{world.ws}/data/typed/versions/1", body("uri_file", f"{STORE}/x"))
    refused = world.refused(f"{world.ws}/data/typed/versions/2", body("uri_folder", f"{STORE}/x"))
    assert refused.status == 400
    assert "is 'uri_folder', its other versions are 'uri_file'" in refused.body["error"]["message"]
    refused = world.refused(f"{world.ws}/data/typed", {"properties": {"dataType": "mltable"}})
    assert (refused.status, refused.code) == (409, "PropertyChangeNotAllowed")


@pytest.mark.parametrize("uri", ["/local/folder", "ftp://x/y", "azureml:"])
def test_a_uri_that_azure_cannot_read_is_refused(world: World, uri: str) -> None:
    refused = world.refused(f"{world.ws}/data/placed/versions/1", body("uri_file", uri))
    assert refused.status == 400
    assert f"'{uri}'" in refused.body["error"]["message"]
