"""Make the file, bring an older one up to date, refuse a damaged or a newer one."""

import sqlite3
from pathlib import Path

from sandbox.store import seal

VERSION = 1
_SCHEMA = Path(__file__).with_name("schema.sql")


class StateError(Exception):
    """The state file cannot be used as it is. The message names the file, what is wrong and the repair."""


def copy_path(path: Path) -> Path:
    """Where the last good copy of a state file is kept."""
    return path.with_name(path.name + ".good")


def prepare(path: Path) -> None:
    """Leave `path` as a sound state file of this version.

    Raises:
        StateError: it is damaged, or written by a newer version.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size == 0 and copy_path(path).exists():
        raise StateError(_damaged(path, "it is empty"))
    if seal.broken(path):
        raise StateError(_damaged(path, "it is not what was written"))
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            _prepare(connection, path)
        finally:
            connection.close()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # damage can reach the text of SQLite's own message
        if isinstance(error, sqlite3.OperationalError):
            raise StateError(
                f"{path}: cannot be opened ({error}); is the disk full or the folder read-only?"
            ) from error
        raise StateError(_damaged(path, str(error))) from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA busy_timeout=30000")
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise StateError(
            f"{path}: written by a newer sandbox (version {version}, this one reads up to {VERSION}); "
            "update this checkout, or start afresh with: make purge"
        )
    verdict: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise StateError(_damaged(path, verdict))
    if version == 0:
        seal.lift(path)
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in _statements(_SCHEMA.read_text(encoding="utf-8")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    path.chmod(0o600)


def _statements(script: str) -> list[str]:
    """Split a script at its statement ends; `executescript` would commit the transaction it runs in."""
    statements, part = [], ""
    for line in script.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            statements.append(part)
            part = ""
    return statements


def _damaged(path: Path, what: str) -> str:
    return (
        f"{path}: damaged ({what}). Restore the last good copy with: "
        ".venv/bin/python -m sandbox restore, or start afresh with: make purge"
    )
