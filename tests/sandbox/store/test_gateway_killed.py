"""R2: whatever the gateway has acknowledged is there after it was killed, or the power was cut, while it wrote."""

import hashlib
import http.client
import os
import random
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import launch
from sandbox.constants import OBJECT_ID
from sandbox.home import Home
from sandbox.store.bodies import IN_ROW
from tests.robustness import power
from tests.robustness.conftest import ROOT
from tests.sandbox.conftest import Sandbox
from tests.sandbox.planes.conftest import CONTRIBUTOR, assign

KILLS, CUTS, WRITERS = 8, 4, 16  # a hundred of each when what is acknowledged, or when, changes
READY_SECONDS = 2.0
BLOBS = "killed.blob.core.windows.net"
ARM = "management.azure.com"
_BODY = b'{"location": "westeurope"}'


class Writer(threading.Thread):
    """Writes small and large blobs and resources, one after the other, and notes what was acknowledged."""

    def __init__(
        self, sandbox: Sandbox, group: str, tokens: dict[str, str], name: str, moment: Callable[[], int] = int
    ) -> None:
        super().__init__(name=name)
        self._moment = moment
        self._group = group
        self._tokens = tokens
        context = ssl.create_default_context(cafile=str(sandbox.home.ca_bundle))
        self._connections = {
            host: http.client.HTTPSConnection("127.0.0.1", sandbox.server.port, timeout=30, context=context)
            for host in (BLOBS, ARM)
        }
        for host, connection in self._connections.items():
            connection.set_tunnel(host)
        self.acknowledged: dict[str, tuple[str, int]] = {}
        self.refused: list[int] = []

    def run(self) -> None:
        """Write until the gateway is gone."""
        number = 0
        try:
            while not self.refused:
                number += 1
                name = f"{self.name}-{number}"
                if number % 3 == 0:
                    self._put(ARM, f"{identities(self._group)}/{name}?api-version=2025-12-01", _BODY)
                else:
                    size = 1024 if number % 3 == 1 else IN_ROW + 1024
                    self._put(BLOBS, f"/data/{name}", os.urandom(size))
        except (http.client.HTTPException, OSError):
            return
        finally:
            for connection in self._connections.values():
                connection.close()

    def _put(self, host: str, path: str, body: bytes) -> None:
        headers = {"Authorization": f"Bearer {self._tokens[host]}", "x-ms-blob-type": "BlockBlob"}
        self._connections[host].request("PUT", path, body, headers)
        answer = self._connections[host].getresponse()
        answer.read()
        if answer.status == 201:
            self.acknowledged[path] = hashlib.sha256(body).hexdigest(), self._moment()
        else:
            self.refused.append(answer.status)


def identities(group: str) -> str:
    """Where the writers' resources are."""
    return f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"


def prepared(sandbox: Sandbox) -> tuple[str, dict[str, str]]:
    """A group with an account and a container, and tokens that may write to it."""
    made = sandbox.group("killed")
    account = f"{made}/providers/Microsoft.Storage/storageAccounts/killed"
    body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    assert sandbox.call("PUT", account, body).status == 200
    assign(sandbox, account, OBJECT_ID, CONTRIBUTOR)
    container = f"{account}/blobServices/default/containers/data"
    assert sandbox.call("PUT", container, {"properties": {}}).status == 201
    return made, {BLOBS: sandbox.token("https://storage.azure.com"), ARM: sandbox.token()}


def test_kills_under_load_lose_nothing(fresh_sandbox: Sandbox, record_property: Callable[[str, object], None]) -> None:
    dice = random.Random(20261121)  # noqa: S311 - repeatable on purpose
    group, tokens = prepared(fresh_sandbox)
    waits, acknowledged = [], 0
    for kill in range(KILLS):
        writers = [Writer(fresh_sandbox, group, tokens, f"k{kill}w{number}") for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        enough = dice.randint(1, 80)
        acknowledging(writers, enough)
        fresh_sandbox.kill()
        for writer in writers:
            writer.join(30)
        begun = time.monotonic()
        fresh_sandbox.server, _ = launch.ensure(fresh_sandbox.home)
        waits.append(time.monotonic() - begun)
        written = {path: digest for writer in writers for path, (digest, _) in writer.acknowledged.items()}
        acknowledged += len(written)
        assert [writer.refused for writer in writers] == [[]] * WRITERS
        assert lost(fresh_sandbox, tokens, written) == []
    record_property("acknowledged", acknowledged)
    record_property("ready after", f"{sorted(waits)[KILLS // 2]:.2f} s, at worst {max(waits):.2f} s")
    assert sorted(waits)[KILLS // 2] < READY_SECONDS
    assert files(fresh_sandbox.home.blobs) == named(fresh_sandbox)


@pytest.fixture
def recorded(tmp_path: Path, schema_cache: Path) -> Iterator[tuple[Sandbox, Path]]:
    """A sandbox of which every write is recorded, and the log of them."""
    home, log = Home(tmp_path / "disk" / "home"), tmp_path / "log"
    home.root.mkdir(parents=True)
    home.cache.symlink_to(schema_cache)
    environment = {**launch.local_free(dict(os.environ)), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, power.__file__, str(home.root), str(log)], env=environment)
    deadline = time.monotonic() + launch.START_SECONDS
    while launch.running(home) is None:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield Sandbox(home), log
    process.kill()
    process.wait()


def test_power_cuts_under_load_lose_nothing(
    recorded: tuple[Sandbox, Path], tmp_path: Path, schema_cache: Path, record_property: Callable[[str, object], None]
) -> None:
    """One run under load, and the disk as a power cut would have left it at many moments of that."""
    sandbox, log = recorded
    group, tokens = prepared(sandbox)
    begun = log.stat().st_size
    writers = [Writer(sandbox, group, tokens, f"w{number}", lambda: log.stat().st_size) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    acknowledging(writers, 400)
    sandbox.kill()
    for writer in writers:
        writer.join(30)
    dice = random.Random(20261121)  # noqa: S311 - repeatable on purpose
    ends = [end for end, _ in power.read(log) if end > begun]
    moments, disk, waits, held = {*dice.sample(ends, CUTS - 1), ends[-1]}, power.Disk("home"), [], 0
    for end, record in power.read(log):
        disk.apply(record)
        if end not in moments:
            continue
        home = Home(tmp_path / f"cut-{end}" / "home")
        disk.cut(home.root.parent, dice if dice.random() < 0.5 else None)
        home.cache.symlink_to(schema_cache)
        started = time.monotonic()
        cut = Sandbox(home)
        waits.append(time.monotonic() - started)
        written = {
            path: digest for writer in writers for path, (digest, said) in writer.acknowledged.items() if said <= end
        }
        held += len(written)
        assert lost(cut, tokens, written) == []
        assert files(home.blobs) == named(cut)
        cut.kill()
        launch.stop(home)
    record_property("acknowledged", held)
    record_property("ready after", f"{sorted(waits)[CUTS // 2]:.2f} s, at worst {max(waits):.2f} s")
    assert sorted(waits)[CUTS // 2] < READY_SECONDS


def acknowledging(writers: list[Writer], enough: int) -> None:
    """Wait for so many acknowledged writes."""
    deadline = time.monotonic() + 60
    while sum(len(writer.acknowledged) for writer in writers) < enough:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def lost(sandbox: Sandbox, tokens: dict[str, str], written: dict[str, str]) -> list[str]:
    """Acknowledged writes that are not there as they were written."""
    missing = []
    for path, digest in written.items():
        if path.startswith("/data/"):
            found = sandbox.call("GET", f"https://{BLOBS}{path}", token=tokens[BLOBS])
            kept = found.status == 200 and hashlib.sha256(found.body).hexdigest() == digest
        else:
            kept = sandbox.call("GET", path).status == 200
        if not kept:
            missing.append(path)
    return missing


def files(folder: Path) -> set[str]:
    """Files of large blobs."""
    return {path.name for path in folder.iterdir()}


def named(sandbox: Sandbox) -> set[str]:
    """Files that a row names."""
    connection = sqlite3.connect(sandbox.home.database)
    rows = connection.execute("SELECT file FROM blobs WHERE file IS NOT NULL").fetchall()
    connection.close()
    return {row[0] for row in rows}
