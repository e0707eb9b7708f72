"""The last good copy of the state: taken after each successful `up`, put back by one command."""

import os
import sqlite3
from pathlib import Path

from sandbox.store import seal
from sandbox.store.migrate import StateError, copy_path, prepare


def take(database: Path) -> None:
    """Keep a copy of a sound state file; the older copy stays until the new one is on disk."""
    part = database.with_name(database.name + ".part")
    part.unlink(missing_ok=True)
    source = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    target = sqlite3.connect(part)
    try:
        source.backup(target)
    finally:
        target.close()
        source.close()
    part.chmod(0o600)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    good = copy_path(database)
    seal.lift(good)
    part.replace(good)
    _sync_folder(database.parent)
    seal.put(good)


def restore(database: Path) -> str:
    """Put the last good copy in place of the state file, which is kept beside it; returns what was done.

    Raises:
        StateError: there is no good copy.
    """
    good = copy_path(database)
    if not good.exists():
        raise StateError(f"{good}: there is no good copy yet; start afresh with: make purge, then make up")
    try:
        prepare(good)
    except StateError as error:
        raise StateError(f"{good}: damaged as well; start afresh with: make purge, then make up") from error
    aside = database.with_name(database.name + ".damaged")
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
        good.with_name(good.name + suffix).unlink(missing_ok=True)
    if database.exists():
        database.replace(aside)
    part = database.with_name(database.name + ".part")
    part.write_bytes(good.read_bytes())
    part.chmod(0o600)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    seal.lift(database)
    part.replace(database)
    _sync_folder(database.parent)
    seal.put(database)
    return f"{database}: the last good copy is back; the damaged file is kept as {aside.name}"


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
