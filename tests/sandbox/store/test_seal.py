"""A sealed file that changed is noticed; one that is in use is never sealed, nor held against its seal."""

import threading
from pathlib import Path

import pytest

from sandbox.store import seal


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    path.write_bytes(b"content")
    seal.put(path)
    return path


def test_it_holds_as_long_as_nothing_changes(sealed: Path) -> None:
    assert not seal.broken(sealed)
    sealed.write_bytes(b"Content")
    assert seal.broken(sealed)
    sealed.write_bytes(b"content")
    assert not seal.broken(sealed)


def test_a_lifted_seal_accuses_nobody(sealed: Path) -> None:
    seal.lift(sealed).close()
    sealed.write_bytes(b"something else")
    assert not seal.broken(sealed)
    seal.lift(sealed).close()


def test_a_damaged_seal_is_no_excuse(sealed: Path) -> None:
    sealed.with_name("state.db.sum").write_bytes(b"\xff\xfe")
    assert seal.broken(sealed)


def test_a_file_with_a_log_is_in_use(sealed: Path) -> None:
    sealed.with_name("state.db-wal").write_bytes(b"frames")
    sealed.write_bytes(b"something else")
    assert not seal.broken(sealed), "what the log holds belongs to the file: SQLite judges it"
    before = sealed.with_name("state.db.sum").read_text()
    seal.put(sealed)
    assert sealed.with_name("state.db.sum").read_text() == before


def test_a_file_that_is_gone_is_not_broken(sealed: Path) -> None:
    sealed.unlink()
    assert not seal.broken(sealed)


def test_who_opens_it_while_it_is_looked_at_does_not_make_it_look_damaged(
    sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine comes up between the reading of the seal and that of the file."""
    digest, writers = seal._digest, []

    def write() -> None:
        with seal.lift(sealed):
            sealed.write_bytes(b"something else")

    def slow(path: Path) -> str:
        writers.append(threading.Thread(target=write))
        writers[0].start()
        writers[0].join(0.2)
        return digest(path)

    monkeypatch.setattr(seal, "_digest", slow)
    assert not seal.broken(sealed)
    writers[0].join()
    assert not seal.broken(sealed)


def test_a_file_that_somebody_has_open_is_not_sealed_nor_judged(sealed: Path) -> None:
    """A gateway stops while an engine, which has written nothing yet, goes on."""
    engine = seal.lift(sealed)
    gateway = seal.lift(sealed)
    gateway.close()
    seal.put(sealed)
    sealed.write_bytes(b"something else")
    engine.close()
    assert not seal.broken(sealed)
