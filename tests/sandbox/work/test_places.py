from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from sandbox.store.blob_rows import save_container
from sandbox.store.blobs import Blobs
from sandbox.store.db import Store
from sandbox.work.paths import PathError
from sandbox.work.places import Place, PlaceError, exists, fetch, store

ROOT = Place("acc", "box", "")


@pytest.fixture
def in_storage(tmp_path: Path) -> Callable[[Callable[[Blobs], Awaitable[Any]]], Any]:
    """Run something on an account with one container."""

    def run(work: Callable[[Blobs], Awaitable[Any]]) -> Any:
        async def through() -> Any:
            state = Store(tmp_path / "state.db")
            blobs = Blobs(state, tmp_path / "blobs")
            blobs.bodies.folder.mkdir(exist_ok=True)
            await state.write(lambda tx: save_container(tx, "acc", "box", {}))
            try:
                return await work(blobs)
            finally:
                await state.close()

        return uvloop.run(through())

    return run


def test_a_folder_goes_there_and_comes_back_as_it_was(in_storage: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep/a.bin").write_bytes(b"x" * 200_000)
    (source / "b.txt").write_text("small")
    for number in range(40):
        (source / f"n{number}").write_text(str(number))

    async def work(blobs: Blobs) -> int:
        count = await store(blobs, tmp_path, "source", ROOT.below("there"))
        await fetch(blobs, ROOT.below("there"), tmp_path / "back")
        return count

    assert in_storage(work) == 42
    assert (tmp_path / "back/deep/a.bin").read_bytes() == b"x" * 200_000
    assert (tmp_path / "back/b.txt").read_text() == "small"
    assert [(tmp_path / f"back/n{number}").read_text() for number in range(40)] == [str(number) for number in range(40)]


def test_a_single_blob_is_fetched_as_a_file(in_storage: Any, tmp_path: Path) -> None:
    async def work(blobs: Blobs) -> Path:
        await blobs.put("acc", "box", "deep/one.txt", b"1")
        await blobs.put("acc", "box", "deep/one.txt.more", b"2")
        return await fetch(blobs, ROOT.below("deep/one.txt"), tmp_path / "in")

    assert in_storage(work) == tmp_path / "in/one.txt"
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["one.txt"]


def test_a_folder_whose_name_begins_alike_is_left_out(in_storage: Any, tmp_path: Path) -> None:
    async def work(blobs: Blobs) -> None:
        await blobs.put("acc", "box", "a/x", b"1")
        await blobs.put("acc", "box", "ab/y", b"2")
        await fetch(blobs, ROOT.below("a"), tmp_path / "in")

    in_storage(work)
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["x"]


@pytest.mark.parametrize("name", ["a/../../escaped", "a//etc/passwd", "a///etc/passwd", "a/..", "a/x\0y", "a/x\\y"])
def test_no_blob_is_written_outside_the_folder(in_storage: Any, tmp_path: Path, name: str) -> None:
    async def work(blobs: Blobs) -> None:
        await blobs.put("acc", "box", name, b"1")
        await fetch(blobs, ROOT.below("a"), tmp_path / "in/deep")

    with pytest.raises(PathError, match="no name for a file"):
        in_storage(work)


def test_links_are_not_followed_and_told_after_the_files_are_kept(in_storage: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    source = tmp_path / "source"
    source.mkdir()
    (source / "own").write_text("o")
    (source / "link").symlink_to(tmp_path / "secret")
    kept: list[str] = []

    async def work(blobs: Blobs) -> None:
        try:
            await store(blobs, tmp_path, "source", ROOT.below("there"))
        finally:
            kept.extend(blob.name for blob in blobs.walk("acc", "box", ""))

    with pytest.raises(PlaceError, match=r"^link: a link is not followed"):
        in_storage(work)
    assert kept == ["there/own"]


def test_nothing_there_and_no_container_are_errors_that_name_the_place(in_storage: Any, tmp_path: Path) -> None:
    async def nothing(blobs: Blobs) -> None:
        assert not exists(blobs, ROOT.below("no"))
        await fetch(blobs, ROOT.below("no"), tmp_path)

    async def nowhere(blobs: Blobs) -> None:
        assert not exists(blobs, Place("acc", "none", "x"))
        await store(blobs, tmp_path, "x", Place("acc", "none", "x"))

    with pytest.raises(PlaceError, match=r"acc\..*/box/no: no file is there"):
        in_storage(nothing)
    with pytest.raises(PlaceError, match="none/x: the container does not exist"):
        in_storage(nowhere)
