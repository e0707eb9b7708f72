"""The state file: damage is noticed and named, and the last good copy brings it back."""

import os
import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import get_args

import pytest

from sandbox.engine.events import Diagnostic, Mode
from sandbox.engine.journal import Edit, Journal
from sandbox.engine.state import Resource
from sandbox.store import snapshot
from sandbox.store.migrate import StateError, prepare
from tests.sandbox.engine.harness import Stack

PROGRAM = "\n".join(f'R("r{n}", size={n}, text="{"x" * 40}")' for n in range(30))


def settle(database: Path) -> None:
    """Put everything into the one file, so that damage to it is damage to the state."""
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def test_a_changed_row_is_noticed_and_the_file_named(stack: Stack) -> None:
    stack.up('R("a", size=1)')
    with sqlite3.connect(stack.home.database) as connection:
        connection.execute("UPDATE engine_resources SET body = replace(body, '\"size\":1', '\"size\":2')")
    connection.close()
    with pytest.raises(StateError) as caught:
        stack.run("up")
    for text in (str(stack.home.database), "fake:x:R::a", "python -m sandbox restore"):
        assert text in str(caught.value)
    snapshot.restore(stack.home)
    stack.up()
    assert stack.cloud.log == []


@pytest.mark.parametrize("how", ["empty", "half", "noise"])
def test_a_broken_file_is_noticed_by_every_mode_and_restored(stack: Stack, how: str) -> None:
    stack.up(PROGRAM)
    database = stack.home.database
    settle(database)
    content = database.read_bytes()
    broken = {"empty": b"", "half": content[: len(content) // 2], "noise": os.urandom(len(content))}[how]
    database.write_bytes(broken)
    for mode in get_args(Mode):
        with pytest.raises(StateError, match="restore"):
            stack.run(mode)
    snapshot.restore(stack.home)
    stack.up()
    assert stack.cloud.log == []


def test_no_flipped_bit_changes_what_the_engine_does(stack: Stack) -> None:
    """Wherever a bit flips, the run is refused or does exactly what it did before."""
    stack.up(PROGRAM)
    database = stack.home.database
    settle(database)
    content = database.read_bytes()
    dice = random.Random(1)  # noqa: S311 - repeatable
    noticed, named = 0, ""
    for _ in range(200):
        at = dice.randrange(len(content))
        database.write_bytes(content[:at] + bytes([content[at] ^ (1 << dice.randrange(8))]) + content[at + 1 :])
        for suffix in ("-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        try:
            journal = Journal.open(stack.home, "dev", write=False)
        except StateError as error:
            named = str(error)
            noticed += 1
        else:
            assert len(journal.current) == 31
            assert journal.current["urn:pulumi:dev::proj::fake:x:R::r7"].inputs == {"size": 7, "text": "x" * 40}
    assert noticed > 20  # the rest fell on unused space
    assert str(database) in named


def test_a_row_whose_key_changed_is_noticed(stack: Stack) -> None:
    """SQLite's quick check does not see it; a search for the stack's rows would pass by the row, or a whole page."""
    stack.up(PROGRAM)
    database = stack.home.database
    settle(database)
    content = database.read_bytes()
    keys = [found.start() for found in re.finditer(b"devurn:pulumi:dev::proj::fake:x:R::r", content)]
    refused = 0
    for at in [key + column for key in keys for column in (0, 3)]:  # the stack's name, and the URN
        database.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        try:
            found = len(Journal.open(stack.home, "dev", write=False).current)
        except StateError as error:
            refused += str(database) in str(error)
        else:
            assert found == 31  # the bit fell on what a row left behind when it moved
    assert refused >= 60


def test_a_newer_state_is_refused_not_read(stack: Stack) -> None:
    stack.up('R("a")')
    with sqlite3.connect(stack.home.database) as connection:
        connection.execute("UPDATE engine_meta SET value = '99' WHERE key = 'version'")
    connection.close()
    with pytest.raises(StateError, match="newer engine"):
        stack.run("up")


def test_an_engine_that_dies_as_it_makes_its_tables_leaves_all_or_none(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(stack.home.database)
    monkeypatch.setattr("sandbox.engine.journal.VERSION", object())  # what no row can hold: it ends at the last one
    with pytest.raises(StateError):
        Journal.open(stack.home, "dev", write=True)
    monkeypatch.undo()
    assert Journal.open(stack.home, "dev", write=False).current == {}
    stack.up('R("a")')


def test_another_key_is_noticed(stack: Stack) -> None:
    stack.up('R("a", p=pulumi.Output.secret("s"))')
    key = stack.home.root / "engine.key"
    key.unlink()
    with pytest.raises(StateError, match="is not the key"):
        stack.run("up")


def test_a_full_disk_is_told_with_path_and_bytes_and_loses_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.up('R("a")')
    real = sqlite3.connect

    def small(path: object, **options: object) -> sqlite3.Connection:
        connection = real(path, **options)  # type: ignore[call-overload]
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        assert isinstance(connection, sqlite3.Connection)
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    message = stack.failing('R("a")\n' + "\n".join(f'R("b{n}", text="{"y" * 3000}")' for n in range(5)))
    assert str(stack.home.database) in message
    assert "bytes are needed" in message
    monkeypatch.undo()
    stack.up()
    assert len(stack.cloud.objects) == 6


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process is in the middle of a write."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_a_locked_file_is_not_called_damaged(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.up('R("a")')
    monkeypatch.setattr("sandbox.store.migrate.BUSY_SECONDS", 0.1)
    with locked(stack.home.database), pytest.raises(StateError, match=r"kept it locked.*run the same command") as told:
        Journal.open(stack.home, "dev", write=True)
    assert "damaged" not in str(told.value)
    assert "purge" not in str(told.value)
    journal = Journal.open(stack.home, "dev", write=True)
    with locked(stack.home.database), pytest.raises(StateError, match="kept it locked"):
        journal.begin("create", Resource(urn="urn:pulumi:dev::proj::fake:x:R::z", type="fake:x:R", custom=True))
    journal.close()


def test_a_full_disk_is_not_called_damage(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(stack.home.database)
    real = sqlite3.connect

    def full(path: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(path, **options)  # type: ignore[call-overload]
        connection.execute("PRAGMA max_page_count = 1")
        return connection

    monkeypatch.setattr(sqlite3, "connect", full)
    with pytest.raises(StateError, match=r"no room to write it.*bytes are free.*run the same command") as told:
        Journal.open(stack.home, "dev", write=True)
    assert "damaged" not in str(told.value)


@pytest.mark.parametrize("mode", ["up", "refresh", "destroy"])
def test_a_run_that_went_well_is_done_even_when_its_state_cannot_be_copied(stack: Stack, mode: Mode) -> None:
    stack.up('R("a")')
    good = stack.home.root / "state.db.good"
    before = good.read_bytes()
    os.utime(stack.home.database)  # written since, whatever the mode itself writes
    (stack.home.root / "state.db.part").mkdir()
    assert stack.run(mode, 'R("a")\nR("b")').ok
    warnings = [each.message for each in stack.events if isinstance(each, Diagnostic) and each.severity == "warning"]
    assert ["state.db.part: cannot be written" in each and "copy of before is kept" in each for each in warnings] == [
        True
    ]
    assert good.read_bytes() == before


def test_writes_that_arrive_together_share_one_commit(stack: Stack) -> None:
    stack.up("")
    journal = Journal.open(stack.home, "dev", write=True)
    made = Resource(urn="urn:pulumi:dev::proj::fake:x:R::z", type="fake:x:R", custom=True)
    for n in range(100):
        journal.end(None, Edit(put={(f"{made.urn}{n}", 0): made}), wait=False)
    assert len(Journal.open(stack.home, "dev", write=False).current) == 1
    journal.flush()
    assert len(Journal.open(stack.home, "dev", write=False).current) == 101
    journal.close()
