"""Group commits: all or nothing for each, and nobody is told of what did not happen."""

import asyncio
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.store import seal
from sandbox.store.blob_rows import save_container
from sandbox.store.blobs import Blobs
from sandbox.store.db import DiskFullError, Store, Tx
from sandbox.store.migrate import prepare

PUT = "INSERT INTO meta VALUES (?, ?)"


@contextmanager
def no_room() -> Iterator[None]:
    """No file of this process may grow, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_one_that_fails_undoes_only_itself(tmp_path: Path) -> None:
    async def run() -> None:
        store = Store(tmp_path / "state.db")

        def fail(tx: Tx) -> None:
            tx.run(PUT, ("undone", "x"))
            raise KeyError("mine")

        results = await asyncio.gather(
            store.write(lambda tx: tx.run(PUT, ("a", "1"))), store.write(fail),
            store.write(lambda tx: tx.run(PUT, ("b", "2"))), return_exceptions=True,
        )  # fmt: skip
        assert results[0] == results[2] == 1
        assert isinstance(results[1], KeyError)
        assert [row["key"] for row in store.all("SELECT key FROM meta ORDER BY key")] == ["a", "b"]
        await store.close()

    asyncio.run(run())


def test_a_full_disk_fails_every_write_of_the_commit_and_is_named(tmp_path: Path) -> None:
    async def run() -> None:
        store = Store(tmp_path / "state.db")
        await store.write(lambda tx: tx.run(PUT, ("before", "x")))
        with no_room():
            results = await asyncio.gather(
                store.write(lambda tx: tx.run(PUT, ("a", "y" * 5000))),
                store.write(lambda tx: tx.run(PUT, ("b", "y" * 5000))),
                return_exceptions=True,
            )
        for result in results:
            assert isinstance(result, DiskFullError)
            assert str(tmp_path / "state.db") in str(result)
            assert result.needed >= 2 * 5000
        assert [row["key"] for row in store.all("SELECT key FROM meta")] == ["before"]
        await store.write(lambda tx: tx.run(PUT, ("after", "x")))
        await store.close()
        again = Store(tmp_path / "state.db")
        assert [row["key"] for row in again.all("SELECT key FROM meta ORDER BY key")] == ["after", "before"]
        await again.close()

    asyncio.run(run())


def test_a_full_disk_leaves_no_part_of_a_large_blob(tmp_path: Path) -> None:
    async def run() -> None:
        store = Store(tmp_path / "state.db")
        blobs = Blobs(store, tmp_path / "blobs")
        await blobs.start()
        await store.write(lambda tx: save_container(tx, "account", "data", {}))
        await blobs.put("account", "data", "a", b"before")
        with (
            no_room(),
            pytest.raises(DiskFullError, match=rf"{tmp_path / 'blobs'}/\w+: no room for at least 200000 more"),
        ):
            await blobs.put("account", "data", "a", bytes(200_000))
        assert (blobs.get("account", "data", "a"), list((tmp_path / "blobs").iterdir())) == (b"before", [])
        await blobs.put("account", "data", "a", bytes(200_000))
        await blobs.stop()
        await store.close()

    asyncio.run(run())


def test_a_write_goes_on_when_who_asked_for_it_leaves(tmp_path: Path) -> None:
    async def run() -> None:
        store = Store(tmp_path / "state.db")
        asked = asyncio.create_task(store.write(lambda tx: tx.run(PUT, ("a", "1"))))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await store.write(lambda tx: tx.run(PUT, ("b", "1")))
        assert len(store.all("SELECT key FROM meta")) == 2
        await store.close()

    asyncio.run(run())


def test_it_waits_for_another_process_that_writes(tmp_path: Path) -> None:
    async def run() -> None:
        store = Store(tmp_path / "state.db")
        other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        other.execute(PUT, ("theirs", "x"))
        ours = asyncio.create_task(store.write(lambda tx: tx.run(PUT, ("ours", "x"))))
        done, _ = await asyncio.wait([ours], timeout=0.2)
        assert not done
        other.execute("COMMIT")
        other.close()
        await asyncio.wait_for(ours, 10)
        assert [row["key"] for row in store.all("SELECT key FROM meta ORDER BY key")] == ["ours", "theirs"]
        await store.close()

    asyncio.run(run())


def test_a_revision_stands_for_resources_only(tmp_path: Path) -> None:
    async def run() -> None:
        store = Store(tmp_path / "state.db")

        def touch(tx: Tx) -> None:
            tx.resources = True

        before = store.revision
        await store.write(lambda tx: tx.run(PUT, ("a", "1")))
        assert store.revision == before
        await store.write(touch)
        assert store.revision == before + 1
        await store.close()

    asyncio.run(run())


def test_only_the_first_who_opens_a_file_looks_at_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state of some GiB is not read again by each `up` while its gateway runs, nor twice where its seal judges it."""
    path = tmp_path / "state.db"
    said: list[str] = []
    real = sqlite3.connect

    def told(path: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(path, **options)  # type: ignore[call-overload]
        connection.set_trace_callback(said.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", told)

    def looked() -> list[str]:
        found = [each for each in said if "quick_check" in each]
        said.clear()
        return found

    digests: list[Path] = []
    digest = seal._digest

    def counted(path: Path) -> str:
        digests.append(path)
        return digest(path)

    monkeypatch.setattr(seal, "_digest", counted)

    async def work() -> None:
        for sealed in (False, True):
            store = Store(path)
            assert (bool(looked()), bool(digests)) == (not sealed, sealed)
            digests.clear()
            prepare(path)
            assert (looked(), digests) == ([], [])
            await store.close()
            digests.clear()
        seal.lift(path).close()  # as after a crash: nothing says what the file was
        prepare(path)
        assert looked()

    asyncio.run(work())
