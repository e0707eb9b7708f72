from typing import Any

import pytest

from tests.sandbox.conftest import Answer, Sandbox
from tests.sandbox.world import CONTRIBUTOR, World

HEADERS = {"x-ms-version": "2024-11-04", "x-ms-blob-type": "BlockBlob", "Content-Type": "text/plain"}


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


def start(world: World) -> Answer:
    path = f"{world.ws}/codes/new/versions/1/startPendingUpload"
    return world.sandbox.call("POST", path, {"pendingUploadType": "TemporaryBlobReference"})


def write(world: World, link: str) -> Answer:
    address, _, query = link.partition("?")
    return world.sandbox.call("PUT", f"{address}/src/a.py?{query}", b"print(1)", "", HEADERS)


def keys(world: World, allowed: bool) -> None:
    patched = world.sandbox.call("PATCH", world.storage, {"properties": {"allowSharedKeyAccess": allowed}})
    assert patched.status == 200, patched


def test_code_is_found_again_by_its_hash_whatever_it_is_called(world: World) -> None:
    for name, digest in (("one", "aa"), ("two", "bb")):
        body = {"codeUri": f"https://worldstore.blob.core.windows.net/c/{name}", "properties": {"hash_sha256": digest}}
        world.put(f"{world.ws}/codes/{name}/versions/1", {"properties": body})

    def found(query: str) -> list[str]:
        path = f"{world.ws}/codes/other/versions?api-version=2025-12-01{query}"
        return [each["id"].split("/codes/")[1] for each in world.sandbox.call("GET", path).body["value"]]

    assert found("&hash=bb&hashVersion=202208") == ["two/versions/1"]
    assert found("&hash=cc") == []
    assert found("") == []


def test_a_pending_upload_gives_a_link_that_writes_before_the_version_exists(world: World) -> None:
    answer = start(world).body["blobReferenceForConsumption"]
    assert write(world, answer["credential"]["sasUri"]).status == 201
    assert answer["blobUri"].startswith("https://worldstore.blob.core.windows.net/")
    assert write(world, answer["credential"]["sasUri"].replace("sig=", "sig=A")).status == 403
    assert start(world).body["blobReferenceForConsumption"]["blobUri"] != answer["blobUri"], (
        "each has its own container"
    )


def test_where_no_key_may_sign_the_workspaces_identity_does_and_its_role_counts(world: World) -> None:
    keys(world, allowed=False)
    try:
        link = start(world).body["blobReferenceForConsumption"]["credential"]["sasUri"]
        assert "skoid=" in link
        assert write(world, link).status == 201
        for assignment in roles(world):
            assert world.sandbox.call("DELETE", assignment).status == 200
        assert write(world, link).status == 403
    finally:
        keys(world, allowed=True)


def roles(world: World) -> list[str]:
    """Assignments of the workspace's own identity on the storage account."""
    principal = world.sandbox.call("GET", world.ws).body["identity"]["principalId"]
    found: list[dict[str, Any]] = world.sandbox.call(
        "GET", f"{world.storage}/providers/Microsoft.Authorization/roleAssignments"
    ).body["value"]
    return [
        each["id"]
        for each in found
        if each["properties"]["principalId"] == principal
        and each["properties"]["roleDefinitionId"].endswith(CONTRIBUTOR)
    ]
