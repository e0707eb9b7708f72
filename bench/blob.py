"""Blobs of 1 KiB, read and written, by 1 and 16 clients: the sandbox beside Azurite where that is installed.

The sandbox is asked as every client asks it: through its proxy and TLS, with a bearer token and a role check, and
each write is on disk before it is answered. Azurite is asked over plain HTTP with a shared signature, and answers
writes before they are on disk.
"""

import itertools
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.storage.blob import AccountSasPermissions, BlobServiceClient, ResourceTypes, generate_account_sas

from bench.azure import GROUP, Cloud, cloud
from bench.load import Server, rate, request
from bench.stage import bare, folder
from bench.table import Row, times, verdict
from sandbox.constants import OBJECT_ID, SUBSCRIPTION_ID

_BODY = os.urandom(1024)
_PUT = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2023-11-03"}
_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
# expectations.md, section 5: measured once on such a machine, for where Azurite is not installed
_KNOWN = {("GET", 1): 850, ("GET", 16): 1360, ("PUT", 1): 475, ("PUT", 16): 870}
# Azurite's published development account; not a secret.
_AZURITE = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)

Figures = dict[tuple[str, int], float]


def rows() -> list[Row]:
    """Requests a second."""
    ours = _sandbox()
    theirs = _azurite()
    found = []
    for asked, figure in ours.items():
        method, clients = asked
        bar = theirs[asked] if theirs else _KNOWN[asked]
        found.append(
            Row(
                what=f"blob {method} of 1 KiB, {clients} client{'s' if clients > 1 else ''}",
                ours=f"{figure:.0f}/s",
                other=f"Azurite {theirs[asked]:.0f}/s" if theirs else "",
                ratio=times(figure / theirs[asked]) if theirs else "",
                bar=f"over {bar:.0f}/s (Azurite)",
                verdict=verdict(figure > bar),
            )
        )
    return found


def _sandbox() -> Figures:
    with cloud() as azure:
        account = container(azure)
        token = {"Authorization": f"Bearer {azure.token('https://storage.azure.com')}", "x-ms-version": "2023-11-03"}
        server = azure.server(f"{account}.blob.core.windows.net")
        return _measure(server, "/bench/{name}", token)


def container(azure: Cloud) -> str:
    """A container `bench` that the caller may write to; returns the name of its account."""
    account = f"bench{uuid.uuid4().hex[:12]}"
    made = azure.put(
        f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{account}",
        {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"},
         "properties": {"allowSharedKeyAccess": False}},
    )  # fmt: skip
    role = f"/subscriptions/{SUBSCRIPTION_ID}/providers/Microsoft.Authorization/roleDefinitions/{_CONTRIBUTOR}"
    azure.put(
        f"{made['id']}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}",
        {"properties": {"roleDefinitionId": role, "principalId": OBJECT_ID}},
    )
    azure.put(f"{made['id']}/blobServices/default/containers/bench", {"properties": {}})
    return account


def _measure(server: Server, path: str, headers: dict[str, str]) -> Figures:
    """Writes first, to names of their own; then reads of one blob of those that are there."""
    counter = itertools.count()

    def writes() -> Iterator[bytes]:
        while True:
            name = path.format(name=f"blob{next(counter)}")
            yield request(server, "PUT", name, {**headers, **_PUT}, _BODY)

    def reads() -> Iterator[bytes]:
        return itertools.repeat(request(server, "GET", path.format(name="blob0"), headers))

    return {
        (method, clients): rate(server, make(), clients)
        for method, make in (("PUT", writes), ("GET", reads))
        for clients in (1, 16)
    }


def _azurite() -> Figures:
    """The same of Azurite, or nothing where there is none; AZURITE names its ``azurite-blob``."""
    program = os.environ.get("AZURITE") or shutil.which("azurite-blob")
    if not program:
        return {}
    with folder() as place, _serving(program, place) as port:
        name, key = _AZURITE
        url = f"http://127.0.0.1:{port}"
        BlobServiceClient(f"{url}/{name}", credential=key).create_container("bench")
        sas = generate_account_sas(
            name, key, ResourceTypes(object=True), AccountSasPermissions(read=True, write=True, create=True),
            datetime.now(UTC) + timedelta(hours=1),
        )  # fmt: skip
        return _measure(Server(url), f"/{name}/bench/{{name}}?{sas}", {"x-ms-version": "2023-11-03"})


@contextmanager
def _serving(program: str, place: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [program, "--silent", "--skipApiVersionCheck", "--blobPort", str(port), "--location", str(place)],
        env=bare(place), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0 or time.monotonic() > deadline:
                    break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()
