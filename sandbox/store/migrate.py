"""Make the file, bring an older one up to date, refuse a damaged or a newer one."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sandbox import atomic
from sandbox.store import seal

VERSION = 2
BUSY_SECONDS = 30.0  # how long to wait while another process writes
_NO_ROOM = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)
_INDEX = 32 * 1024
_LEAST = 512  # bytes of a page, at least: SQLite takes what is shorter for a new file
_OUTSIDE = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
_SCHEMA = Path(__file__).with_name("schema.sql")
_MIGRATIONS = Path(__file__).with_name("migrations")


class StateError(Exception):
    """The state file cannot be used as it is. The message names the file, what is wrong and the repair."""


class DamagedStateError(StateError):
    """It is not what was written."""


def explain(path: Path, error: sqlite3.Error, needed: int = _INDEX) -> StateError:
    """What an error of SQLite means for a state file: only some errors say that it is damaged.

    Args:
        path: the file.
        error: the error.
        needed: bytes that were to be written; to open a file at all takes those of its log's index.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    kind = code & 0xFF  # the rest says where it happened
    again = "What is in it is kept; run the same command again"
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StateError(
            f"{path}: another process has kept it locked for {BUSY_SECONDS:.0f} s ({error}). {again} once that is done "
            f"(it is one of: fuser {path})"
        )
    if kind == sqlite3.SQLITE_FULL or code in _NO_ROOM:
        free = os.statvfs(path.parent)
        return StateError(
            f"{path}: no room to write it ({error}; at least {needed} bytes are needed, "
            f"{free.f_bavail * free.f_frsize} bytes are free in {path.parent}). {again} once there is"
        )
    if kind in _OUTSIDE:
        return StateError(
            f"{path}: cannot be opened or written ({error}); is the disk full or the folder read-only? {again} "
            "once that is repaired"
        )
    return damaged(path, str(error))


def damaged(path: Path, what: str) -> DamagedStateError:
    """A file that is not what was written, and the ways out."""
    return DamagedStateError(
        f"{path}: damaged ({what}). Restore the last good copy with: "
        ".venv/bin/python -m sandbox restore, or start afresh with: make purge"
    )


def copy_path(path: Path) -> Path:
    """Where the last good copy of a state file is kept."""
    return path.with_name(path.name + ".good")


def examine(path: Path) -> int:
    """Look at all of a state file and change nothing; returns its version, 0 for a new one.

    It is looked at by its seal, else by SQLite, unless another process has it open, which did so before.

    Raises:
        StateError: it is damaged, or written by a newer version.
    """
    with _opened(path) as connection:
        return _examine(connection, path)


def prepare(path: Path) -> None:
    """Leave `path` as a sound state file of this version; one of an earlier version is kept as it was beside it.

    Raises:
        StateError: as :func:`examine`; or it is of an earlier version, and in use or without room for the copy.
    """
    atomic.make_folder(path.parent)
    with _opened(path) as connection:
        version = _examine(connection, path)
        connection.execute("PRAGMA journal_mode=WAL")
        if 0 < version < VERSION:
            if seal.held(path):
                raise StateError(
                    f"{path}: in use by a sandbox of an earlier version (the state is of version {version}, this one "
                    f"writes {VERSION}). Stop that with: make down, then run the same command again"
                )
            _keep(connection, path, version)
        if version < VERSION:
            with seal.lift(path):
                _bring_up(connection)
        path.chmod(0o600)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a state file, whose errors say what they mean."""
    size = path.stat().st_size if path.exists() else 0
    if 0 < size < _LEAST or (size == 0 and path.exists() and copy_path(path).exists()):
        raise damaged(path, f"it has {size} bytes")
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise explain(path, error) from error
    except UnicodeDecodeError as error:  # damage can reach the text of SQLite's own message
        raise damaged(path, str(error)) from error


def _examine(connection: sqlite3.Connection, path: Path) -> int:
    sealed = seal.sealed(path)
    if seal.broken(path):
        raise damaged(path, "it is not what was written")
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise StateError(
            f"{path}: written by a newer sandbox (version {version}, this one reads up to {VERSION}); "
            "update this checkout, or start afresh with: make purge"
        )
    if not sealed and not seal.held(path):
        verdict: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise damaged(path, verdict)
        if path.stat().st_size % connection.execute("PRAGMA page_size").fetchone()[0] and not seal.logged(path):
            raise damaged(path, "it ends in the middle of a page")
    return version


def _keep(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Copy a state as it is: the way back to the checkout that wrote it."""
    kept = path.with_name(f"{path.name}.v{version}")
    part = kept.with_name(f"{kept.name}.part")
    try:
        part.unlink(missing_ok=True)
        connection.execute("VACUUM INTO ?", (str(part),))
        part.chmod(0o600)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        atomic.settle(part, kept)
    except (sqlite3.Error, OSError) as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)  # it may be what filled the disk
        raise StateError(
            f"{kept}: no copy of the state could be kept ({error}), so it stays of version {version}; "
            f"{path.stat().st_size} bytes are needed. Run the same command again once there is room"
        ) from error


def _bring_up(connection: sqlite3.Connection) -> None:
    """Make the tables, or bring those of an earlier version to this one's, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]  # another process may have been faster
    scripts = [_MIGRATIONS / f"{each}.sql" for each in range(version + 1, VERSION + 1)] if version else [_SCHEMA]
    for script in scripts if version < VERSION else ():
        for statement in _statements(script.read_text(encoding="utf-8")):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")


def _statements(script: str) -> list[str]:
    """Split a script at its statement ends; `executescript` would commit the transaction it runs in."""
    statements, part = [], ""
    for line in script.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            statements.append(part)
            part = ""
    return statements
