"""Containers and blobs without the HTTP around them: what is kept where, what goes when, what a crash leaves."""

import asyncio
import base64
import hashlib
import os
import resource
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.store.blob_rows import COLUMNS, drop_container, save_container
from sandbox.store.blobs import Blob, BlobError, Blobs, Content
from sandbox.store.bodies import IN_ROW, Body
from sandbox.store.db import Store, Tx

LARGE = os.urandom(IN_ROW + 1)
HERE = ("account", "data")


class Place:
    """A store with one container in a folder."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "state.db")
        self.folder = folder / "blobs"
        self.blobs = Blobs(self.store, self.folder)

    def files(self) -> set[str]:
        """Names of the files of large contents."""
        return {path.name for path in self.folder.iterdir()}

    async def swept(self, left: int) -> None:
        """Wait until so many files are left."""
        async with asyncio.timeout(10):
            while len(self.files()) != left:
                await asyncio.sleep(0.02)


def within(folder: Path, work: Callable[[Place], Awaitable[None]]) -> None:
    """Run `work` with a started store."""

    async def run() -> None:
        place = Place(folder)
        await place.blobs.start()
        await place.store.write(lambda tx: save_container(tx, *HERE, {}))
        try:
            await work(place)
        finally:
            await place.blobs.stop()
            await place.store.close()

    asyncio.run(run())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files go soon after their rows."""
    monkeypatch.setattr("sandbox.store.blobs._SWEEP_SECONDS", 0.02)


@pytest.mark.parametrize("size", [0, 1, IN_ROW, IN_ROW + 1, 3 * 1024 * 1024 + 5])
@pytest.mark.parametrize("how", ["bytes", "file", "stream"])
def test_content_comes_back_however_it_was_given(tmp_path: Path, size: int, how: str) -> None:
    content = os.urandom(size)
    (tmp_path / "given").write_bytes(content)

    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, size, 60_000):
            yield content[start : start + 60_000]

    async def work(place: Place) -> None:
        ways: dict[str, Content] = {"bytes": content, "file": tmp_path / "given", "stream": stream()}
        blob = await place.blobs.put(*HERE, "a", ways[how])
        assert (blob.size, place.blobs.get(*HERE, "a")) == (size, content)
        assert len(place.files()) == (size > IN_ROW)
        place.blobs.save(blob, tmp_path / "deep" / "saved")
        assert (tmp_path / "deep" / "saved").read_bytes() == content
        assert b"".join(place.blobs.read(blob, size // 2, 7)) == content[size // 2 :][:7]

    within(tmp_path, work)


def test_a_file_goes_with_the_last_row_that_names_it(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        blob = await place.blobs.put(*HERE, "a", LARGE)
        await place.blobs.copy(blob, *HERE, "copy", blob.headers)
        assert len(place.files()) == 1
        await place.blobs.put(*HERE, "a", b"small")
        await place.blobs.put(*HERE, "other", LARGE)
        await place.blobs.delete(*HERE, "other")
        await place.swept(1)
        assert place.blobs.get(*HERE, "copy") == LARGE
        await place.blobs.delete(*HERE, "copy")
        await place.swept(0)

    within(tmp_path, work)


def test_a_file_is_let_go_of_twice_before_it_is_removed(tmp_path: Path) -> None:
    """Rows that share a file change one soon after the other: the second finds it waiting to be removed."""

    async def work(place: Place) -> None:
        blob = await place.blobs.put(*HERE, "a", LARGE)
        await place.blobs.copy(blob, *HERE, "copy", blob.headers)
        for name in ("a", "copy"):
            await place.blobs.put(*HERE, name, b"small")
        for _ in range(2):
            await place.blobs.stage(*HERE, "b", "QQ==", LARGE)
            await place.blobs.commit(*HERE, "b", [("Latest", "QQ==")], {})
        await place.swept(1)
        assert place.blobs.get(*HERE, "b") == LARGE

    within(tmp_path, work)


def test_a_container_takes_its_files_along(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        await place.blobs.put(*HERE, "a", LARGE)
        await place.blobs.stage(*HERE, "b", "QQ==", LARGE)
        await place.store.write(lambda tx: drop_container(tx, *HERE))
        await place.swept(0)

    within(tmp_path, work)


def test_a_read_under_way_outlives_the_deletion(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        reading = place.blobs.read(await place.blobs.put(*HERE, "a", LARGE * 40))
        first = next(reading)
        await place.blobs.delete(*HERE, "a")
        await place.swept(0)
        assert first + b"".join(reading) == LARGE * 40

    within(tmp_path, work)


def test_what_a_crash_left_over_goes_at_the_start_and_nothing_else(tmp_path: Path) -> None:
    async def before(place: Place) -> None:
        await place.blobs.put(*HERE, "a", LARGE)
        await place.blobs.stage(*HERE, "b", "QQ==", LARGE)
        (place.folder / "half-written").write_bytes(b"x")

    async def after(place: Place) -> None:
        assert len(place.files()) == 2
        assert place.blobs.get(*HERE, "a") == LARGE
        blob = await place.blobs.commit(*HERE, "b", [("Uncommitted", "QQ==")], {})
        assert b"".join(place.blobs.read(blob)) == LARGE

    within(tmp_path, before)
    within(tmp_path, after)


def test_a_refused_write_leaves_no_file(tmp_path: Path) -> None:
    def refuse(there: Blob | None) -> None:
        raise BlobError("BlobNotFound", f"refused: {there}")

    async def work(place: Place) -> None:
        with pytest.raises(BlobError, match="refused: None"):
            await place.blobs.put(*HERE, "a", LARGE, check=refuse)
        with pytest.raises(BlobError, match="ContainerNotFound"):
            await place.blobs.put("account", "none", "a", LARGE)
        with pytest.raises(BlobError, match="ContainerNotFound"):
            await place.blobs.stage("account", "none", "a", "QQ==", LARGE)
        assert place.files() == set()

    within(tmp_path, work)


def test_a_stream_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield LARGE
        raise ConnectionResetError

    async def work(place: Place) -> None:
        await place.blobs.put(*HERE, "a", b"before")
        with pytest.raises(ConnectionResetError):
            await place.blobs.put(*HERE, "a", broken())
        assert (place.blobs.get(*HERE, "a"), place.files()) == (b"before", set())

    within(tmp_path, work)


def test_committed_and_new_blocks_make_one_blob(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        async def commit(*blocks: tuple[str, str]) -> bytes:
            return b"".join(place.blobs.read(await place.blobs.commit(*HERE, "a", list(blocks), {})))

        for name in ("AA==", "QQ==", "gg=="):
            await place.blobs.stage(*HERE, "a", name, LARGE + name.encode())
        assert await commit(("Latest", "QQ=="), ("Latest", "AA==")) == LARGE + b"QQ==" + LARGE + b"AA=="
        assert place.blobs.staged(*HERE, "a") == []
        await place.blobs.stage(*HERE, "a", "AA==", b"new")
        with pytest.raises(BlobError, match=r"InvalidBlockList.*gg=="):
            await commit(("Latest", "gg=="))
        assert await commit(("Committed", "AA=="), ("Uncommitted", "AA=="), ("Latest", "AA==")) == (
            LARGE + b"AA==" + b"new" + b"new"
        )
        await place.blobs.stage(*HERE, "a", "AA==", LARGE)
        assert await commit(("Latest", "AA==")) == LARGE
        await place.swept(1)
        assert place.blobs.get(*HERE, "a") == LARGE

    within(tmp_path, work)


@pytest.fixture
def few_files() -> Iterator[None]:
    """This process may open few files beside those that earlier tests left open; a new one has a higher number."""
    before, highest = (
        resource.getrlimit(resource.RLIMIT_NOFILE),
        max(int(path.name) for path in Path("/proc/self/fd").iterdir()),
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 100, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("few_files")
def test_a_blob_of_many_blocks_needs_few_files_and_little_memory(tmp_path: Path) -> None:
    """Blocks in files of their own and small ones in rows, both more than could be open or held at once."""
    large, small = [os.urandom(IN_ROW + 1) for _ in range(3)], [os.urandom(IN_ROW) for _ in range(3)]
    ids = [base64.b64encode(f"{number:05}".encode()).decode() for number in range(1500)]

    async def work(place: Place) -> None:
        held = [await place.blobs.bodies.keep(content) for content in large]

        def stage(tx: Tx) -> None:
            for number, block in enumerate(ids):
                body = Body(IN_ROW, "", small[number % 3], None) if number >= 1200 else held[number % 3]
                tx.run(
                    "INSERT INTO blocks VALUES (?,?,?,?,?,?,?)", (*HERE, "a", block, body.size, body.file, body.body)
                )

        await place.store.write(stage)
        tracemalloc.start()
        blob = await place.blobs.commit(*HERE, "a", [("Latest", block) for block in ids], {})
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * 1024 * 1024
        expected = hashlib.sha256(b"".join(large) * 400 + b"".join(small) * 100).digest()
        found = hashlib.sha256()
        for piece in place.blobs.read(blob):
            found.update(piece)
        assert found.digest() == expected

    within(tmp_path, work)


def test_a_block_that_is_replaced_while_a_list_joins_is_none_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(place: Place) -> None:
        await place.blobs.stage(*HERE, "a", "AA==", LARGE)
        await place.blobs.stage(*HERE, "a", "QQ==", b"small")
        loop, read = asyncio.get_running_loop(), place.blobs.bodies.read
        replaced: list[None] = []

        def late(*of: Any) -> Iterator[bytes]:
            if not replaced:
                replaced.append(None)
                for block in ("AA==", "QQ=="):
                    stage = place.blobs.stage(*HERE, "a", block, b"new")
                    asyncio.run_coroutine_threadsafe(stage, loop).result(10)
                time.sleep(0.1)  # the sweeper has had its time
            return read(*of)

        with monkeypatch.context() as patch:
            patch.setattr(place.blobs.bodies, "read", late)
            blob = await place.blobs.commit(*HERE, "a", [("Latest", "AA=="), ("Latest", "QQ==")], {})
        assert b"".join(place.blobs.read(blob)) == LARGE + b"small"
        await place.swept(1)

    within(tmp_path, work)


def test_many_writers_of_one_name_leave_one_of_their_contents(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        contents = [os.urandom(IN_ROW * (number % 3) + number) for number in range(30)]
        await asyncio.gather(*(place.blobs.put(*HERE, "a", content) for content in contents))
        assert place.blobs.get(*HERE, "a") in contents
        kept = place.blobs.need(*HERE, "a").file
        await place.swept(1 if kept else 0)

    within(tmp_path, work)


def test_a_listing_goes_on_where_it_stopped(tmp_path: Path) -> None:
    names = ["a", "b/1", "b/2", "b/\U0010ffff", "b0", "c/1"]

    async def work(place: Place) -> None:
        for name in names:
            await place.blobs.put(*HERE, name, b"")
        for limit in (1, 2, 3, 100):
            found, folded, marker = [], [], ""
            while True:
                page = place.blobs.page(*HERE, marker=marker, limit=limit)
                assert len(page.blobs) <= limit
                found += [blob.name for blob in page.blobs]
                if not (marker := page.marker):
                    break
            while True:
                page = place.blobs.page(*HERE, delimiter="/", marker=marker, limit=limit)
                folded += sorted([*(blob.name for blob in page.blobs), *page.prefixes])
                if not (marker := page.marker):
                    break
            assert (found, folded) == (names, ["a", "b/", "b0", "c/"])
        assert [blob.name for blob in place.blobs.walk(*HERE, "b/")] == names[1:4]

    within(tmp_path, work)


def test_a_folded_page_costs_a_step_a_folder(tmp_path: Path) -> None:
    """200,000 blobs in 1,000 folders: SQLite looks at one blob of each folder."""
    names = [f"folder-{folder:04}/blob-{number:03}" for folder in range(1000) for number in range(200)]

    async def work(place: Place) -> None:
        def fill(tx: Tx) -> None:
            for name in names:
                tx.run(
                    f"INSERT INTO blobs ({COLUMNS}) VALUES (?,?,?,0,NULL,'{{}}','e','','','[]')",  # noqa: S608 - a constant
                    (*HERE, name),
                )

        await place.store.write(fill)
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        place.store._reading.set_progress_handler(count, 1000)
        begun = time.perf_counter()
        page = place.blobs.page(*HERE, delimiter="/")
        took = time.perf_counter() - begun
        assert (len(page.prefixes), page.blobs, page.marker) == (1000, [], "")
        assert steps < 200, f"{steps},000 instructions in {took:.3f} s"  # 50 ms are 2,000,000 on a slow machine
        place.store._reading.set_progress_handler(None, 0)

    within(tmp_path, work)


def test_files_are_still_removed_after_one_could_not_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(place: Place) -> None:
        remove, failing = place.blobs.bodies.remove, [True]

        def refuse_once(file: str) -> None:
            if failing:
                failing.clear()
                raise PermissionError(13, "Permission denied", file)
            remove(file)

        monkeypatch.setattr(place.blobs.bodies, "remove", refuse_once)
        await place.blobs.put(*HERE, "large", LARGE)
        await place.blobs.delete(*HERE, "large")
        await place.swept(0)
        assert not failing

    within(tmp_path, work)
