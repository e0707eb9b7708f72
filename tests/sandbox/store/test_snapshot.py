"""The last good copy of the state: every blob that it names comes back, of every size, or none of it does."""

import asyncio
import os
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from sandbox.home import Home
from sandbox.store import snapshot
from sandbox.store.blob_rows import save_container
from sandbox.store.blobs import Blobs
from sandbox.store.bodies import IN_ROW
from sandbox.store.db import Store
from sandbox.store.migrate import VERSION, StateError, examine

MUTATIONS, PAGE = 1000, 4096
HERE = ("account", "data")
CONTENTS = {f"blob-{size}": os.urandom(size) for size in (0, 1, IN_ROW, IN_ROW + 1, 3 * 1024 * 1024)}
BLOCK = os.urandom(IN_ROW + 2)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files go soon after their rows."""
    monkeypatch.setattr("sandbox.store.blobs._SWEEP_SECONDS", 0.02)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A sandbox with blobs of every size and a block that waits, of which a good copy was taken."""
    home = Home(tmp_path)

    async def fill(blobs: Blobs) -> None:
        for name, content in CONTENTS.items():
            await blobs.put(*HERE, name, content)
        await blobs.stage(*HERE, "staged", "QQ==", BLOCK)

    running(home, fill)
    snapshot.take(home)
    return home


def running(home: Home, work: Callable[[Blobs], Awaitable[None]]) -> None:
    """Run `work` with the blobs of a home, as a gateway does that starts and stops."""

    async def run() -> None:
        store = Store(home.database)
        blobs = Blobs(store, home.blobs)
        await blobs.start()
        await store.write(lambda tx: save_container(tx, *HERE, {}))
        try:
            await work(blobs)
        finally:
            await blobs.stop()
            await store.close()

    asyncio.run(run())


async def forget(blobs: Blobs) -> None:
    """Delete and overwrite everything, wait until its files are gone, and write something else."""
    for number, name in enumerate(CONTENTS):
        await (blobs.delete(*HERE, name) if number % 2 else blobs.put(*HERE, name, b"other"))
    await blobs.delete(*HERE, "blob-0")
    await blobs.stage(*HERE, "staged", "QQ==", b"other")
    async with asyncio.timeout(10):
        while any(blobs.bodies.folder.iterdir()):
            await asyncio.sleep(0.02)
    await blobs.put(*HERE, "later", os.urandom(IN_ROW + 3))


async def all_there(blobs: Blobs) -> None:
    """Everything is as it was when the copy was taken."""
    assert {blob.name: blobs.get(*HERE, blob.name) for blob in blobs.walk(*HERE)} == CONTENTS
    joined = await blobs.commit(*HERE, "staged", [("Uncommitted", "QQ==")], {})
    assert b"".join(blobs.read(joined)) == BLOCK


def test_a_restore_gives_back_what_was_deleted_since(home: Home) -> None:
    running(home, forget)
    assert "the last good copy is back" in snapshot.restore(home)
    running(home, all_there)


def test_a_copy_of_later_holds_what_was_written_since_and_lets_the_rest_go(home: Home) -> None:
    running(home, forget)
    snapshot.take(home)
    assert len(list(home.kept_blobs.iterdir())) == 1

    async def clear(blobs: Blobs) -> None:
        await blobs.delete(*HERE, "later")

    async def there(blobs: Blobs) -> None:
        assert len(blobs.get(*HERE, "later")) == IN_ROW + 3

    running(home, clear)
    snapshot.restore(home)
    running(home, there)


def test_a_file_that_goes_while_the_copy_is_taken_is_none_of_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway deletes a blob between the copy of the rows and that of the files."""
    copy, taken = snapshot._copy, 0

    def slow(database: Path, part: Path) -> None:
        nonlocal taken
        copy(database, part)
        taken += 1
        if taken == 1:
            running(home, forget)

    monkeypatch.setattr(snapshot, "_copy", slow)
    for path in (*home.kept_blobs.iterdir(), home.root / "state.db.good"):
        path.unlink()
    snapshot.take(home)
    assert taken == 2
    snapshot.restore(home)

    async def there(blobs: Blobs) -> None:
        assert "later" in [blob.name for blob in blobs.walk(*HERE)]

    running(home, there)


def test_what_did_not_change_is_not_copied_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    copied, copy = [], snapshot._copy

    def counted(database: Path, part: Path) -> None:
        copied.append(part)
        copy(database, part)

    monkeypatch.setattr(snapshot, "_copy", counted)
    time.sleep(0.05)  # files tell their time by ticks
    snapshot.take(home)
    copied.clear()
    snapshot.take(home)
    assert copied == []

    async def write(blobs: Blobs) -> None:
        await blobs.put(*HERE, "one-more", b"")
        snapshot.take(home)  # while the rows are in the log of a running gateway
        assert len(copied) == 1
        await blobs.put(*HERE, "and-one-more", b"")

    running(home, write)
    snapshot.take(home)
    assert len(copied) == 2
    snapshot.restore(home)

    async def there(blobs: Blobs) -> None:
        assert {"one-more", "and-one-more"} <= {blob.name for blob in blobs.walk(*HERE)}

    running(home, there)


@pytest.mark.parametrize("how", ["gone", "cut"])
def test_a_copy_whose_contents_are_lost_is_refused_by_name(home: Home, how: str) -> None:
    with sqlite3.connect(home.database) as rows:
        (file,) = rows.execute("SELECT file FROM blobs WHERE name = ?", (f"blob-{IN_ROW + 1}",)).fetchone()
    rows.close()
    for folder in (home.blobs, home.kept_blobs):
        if how == "gone":
            (folder / file).unlink()
        else:
            (folder / file).write_bytes(b"short")
    before = home.database.read_bytes()
    with pytest.raises(StateError, match=rf"data/blob-{IN_ROW + 1}.*nothing was changed.*make purge"):
        snapshot.restore(home)
    assert home.database.read_bytes() == before


def test_a_state_whose_contents_are_lost_does_not_take_the_place_of_a_good_copy(home: Home) -> None:
    async def more(blobs: Blobs) -> None:
        await blobs.put(*HERE, "more", os.urandom(IN_ROW + 4))
        (blobs.bodies.folder / (blobs.need(*HERE, "more").file or "")).unlink()

    running(home, more)
    with pytest.raises(StateError, match=r"data/more.*the copy of before is kept"):
        snapshot.take(home)
    snapshot.restore(home)
    running(home, all_there)


def test_contents_that_are_lost_come_back_and_a_sound_state_stays(home: Home) -> None:
    async def more(blobs: Blobs) -> None:
        await blobs.put(*HERE, "later", b"small, and of after the copy")

    async def there(blobs: Blobs) -> None:
        assert blobs.get(*HERE, "later") == b"small, and of after the copy"
        await blobs.delete(*HERE, "later")
        await all_there(blobs)

    running(home, more)
    for path in home.blobs.iterdir():
        path.unlink()
    assert "is sound and stays as it is" in snapshot.restore(home)
    running(home, there)


def mutations(content: bytes, dice: random.Random) -> Iterator[tuple[str, bytes]]:
    """What can become of a file: its label, and what is in it then."""
    yield "emptied", b""
    while True:
        at = dice.randrange(len(content))
        yield "flipped", content[:at] + bytes([content[at] ^ 1 << dice.randrange(8)]) + content[at + 1 :]
        yield "cut", content[: at if dice.random() < 0.5 else at // PAGE * PAGE]
        end = min(len(content), at + dice.randrange(1, 3 * PAGE))
        yield "overwritten", content[:at] + bytes(dice.choice((end - at, 1))) + content[end:]
        newer = dice.randrange(VERSION + 1, 1000).to_bytes(4, "big")
        yield "newer", content[:60] + newer + content[64:]  # where SQLite keeps the version


def test_a_thousand_mutations_are_noticed_and_every_blob_comes_back(home: Home) -> None:
    database = home.database
    content, sealed = database.read_bytes(), database.with_name("state.db.sum").read_bytes()
    for number, (how, changed) in enumerate(islice(mutations(content, random.Random(20261121)), MUTATIONS)):  # noqa: S311
        if changed == content:
            continue
        database.write_bytes(changed)
        with pytest.raises(StateError) as told:
            examine(database)
        assert str(database) in str(told.value), how
        if number % 250 < 4:  # one of each kind
            assert ".venv/bin/python -m sandbox restore" in str(told.value)
            snapshot.restore(home)
            running(home, all_there)
            database.write_bytes(content)
            database.with_name("state.db.sum").write_bytes(sealed)


@pytest.mark.parametrize("size", [0, 1, 100, PAGE - 1, PAGE, 2 * PAGE, 7 * PAGE + 1, -PAGE, -1])
def test_a_file_that_nobody_sealed_is_noticed_when_it_is_cut(home: Home, size: int) -> None:
    """As after a kill."""
    home.database.with_name("state.db.sum").unlink()
    home.database.write_bytes(home.database.read_bytes()[:size])
    with pytest.raises(StateError, match=r"state\.db: damaged.*python -m sandbox restore"):
        examine(home.database)
    snapshot.restore(home)
    running(home, all_there)
