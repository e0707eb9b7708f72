"""A sealed file that changed is noticed; one that is in use is never sealed, nor held against its seal."""

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
    seal.lift(sealed)
    sealed.write_bytes(b"something else")
    assert not seal.broken(sealed)
    seal.lift(sealed)


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
