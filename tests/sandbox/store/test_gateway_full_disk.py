"""R5: a full disk is named with the path and the bytes that were wanted; what was there stays, and it goes on after."""

import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sandbox.constants import OBJECT_ID
from tests.sandbox.conftest import Answer, Sandbox
from tests.sandbox.planes.conftest import CONTRIBUTOR, assign

URL = "https://fulldisk.blob.core.windows.net/data"
BLOB = {"x-ms-blob-type": "BlockBlob"}


@contextmanager
def no_room(sandbox: Sandbox) -> Iterator[None]:
    """No file of the gateway may grow, its log included, as on a full disk. Lifting a soft limit needs no privilege."""
    pid, kind = sandbox.server.pid, resource.RLIMIT_FSIZE
    before = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (1, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, kind, before)


@pytest.fixture
def group(fresh_sandbox: Sandbox) -> str:
    """A group with an account, a container, and one blob in it."""
    made = fresh_sandbox.group("full-disk")
    account = f"{made}/providers/Microsoft.Storage/storageAccounts/fulldisk"
    body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    assert fresh_sandbox.call("PUT", account, body).status == 200
    assign(fresh_sandbox, account, OBJECT_ID, CONTRIBUTOR)
    container = f"{account}/blobServices/default/containers/data"
    assert fresh_sandbox.call("PUT", container, {"properties": {}}).status == 201
    return made


def test_a_full_disk_is_named_and_nothing_is_lost(fresh_sandbox: Sandbox, group: str) -> None:
    home, token = fresh_sandbox.home, fresh_sandbox.token("https://storage.azure.com")
    identity = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one"

    def blob(method: str, name: str, body: str = "") -> Answer:
        return fresh_sandbox.call(method, f"{URL}/{name}", body or None, token, BLOB)

    assert blob("PUT", "kept", "before").status == 201
    assert fresh_sandbox.call("PUT", identity, {"location": "westeurope"}).status == 201
    with no_room(fresh_sandbox):
        for _ in range(2):
            refusal = fresh_sandbox.call("PUT", f"{identity}-two", {"location": "westeurope"})
            assert (refusal.status, refusal.code) == (507, "InsufficientStorage")
            names_place(refusal.body["error"]["message"], str(home.database), 1)
            for size, place in ((1000, str(home.database)), (200_000, f"{home.blobs}/")):
                refusal = blob("PUT", "new", "x" * size)
                assert (refusal.status, refusal.headers["x-ms-error-code"]) == (507, "InsufficientStorage")
                names_place(refusal.body.decode(), place, size)
        assert fresh_sandbox.call("GET", identity).status == 200
        assert fresh_sandbox.call("GET", f"{identity}-two").status == 404
        assert blob("GET", "kept").body == "before"
        assert list(home.blobs.iterdir()) == []
    assert blob("GET", "new").status == 404
    assert blob("PUT", "new", "x" * 200_000).status == 201
    assert fresh_sandbox.call("PUT", f"{identity}-two", {"location": "westeurope"}).status == 201
    fresh_sandbox.restart()
    assert (blob("GET", "kept").body, len(blob("GET", "new").body)) == ("before", 200_000)
    assert fresh_sandbox.call("GET", f"{identity}-two").status == 200


def names_place(message: str, place: str, least: int) -> None:
    """Hold a message to what a user needs to know."""
    found = re.search(r"([^\s>]+): no room for at least (\d+) more bytes \(\d+ free in .*free some space", message)
    assert found, message
    assert found[1].startswith(place)
    assert int(found[2]) >= least
