"""The last good copy of the state: taken after each successful `up`, put back by one command.

Contents beside the state file never change once they are written, so the copy holds them by hard links: they take no
room while the state names them too, and what the gateway removes later stays here.
"""

import os
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox import atomic
from sandbox.home import Home
from sandbox.store import seal
from sandbox.store.migrate import DamagedStateError, StateError, copy_path, prepare

_TICK = 20_000_000  # ns: a file's time may be as much behind the clock


@dataclass(frozen=True)
class _Content:
    """A content beside the state file: its file, its bytes, and one blob that is made of it."""

    file: str
    size: int
    blob: str


def take(home: Home) -> None:
    """Keep a copy of a sound state file, unless nothing was written since the last; that one stays until it is on disk.

    Raises:
        StateError: it cannot be copied whole; the message says why.
    """
    part = home.database.with_name(home.database.name + ".part")
    try:
        if not _kept_since(home):
            _take(home, part)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)  # it may be what filled the disk
        raise StateError(
            f"{part}: cannot be written ({error}; at least {home.database.stat().st_size} bytes are needed); "
            "the copy of before is kept"
        ) from error


def _kept_since(home: Home) -> bool:
    """Whether the last good copy was begun after the last write."""
    good = copy_path(home.database)
    if not good.exists() or not home.kept_blobs.exists():
        return False
    found = [
        path.stat() for path in (home.database, home.database.with_name(f"{home.database.name}-wal")) if path.exists()
    ]
    return max(each.st_mtime_ns for each in found if each.st_size) < good.stat().st_mtime_ns - _TICK


def _take(home: Home, part: Path) -> None:
    begun = time.time_ns()
    lost: list[_Content] = []
    while True:
        _copy(home.database, part)
        contents = _contents(part)
        before, lost = lost, _link(contents, home.blobs, home.kept_blobs)
        if not lost:
            break
        # What a running gateway removed meanwhile, the next copy does not name; what it names again is lost.
        if again := [each for each in lost if each in before]:
            part.unlink()
            raise StateError(
                f"{home.blobs / again[0].file}: lost, and with it {_named(again)}; the copy of before is kept"
            )
    os.utime(part, ns=(begun, begun))
    good = copy_path(home.database)
    with seal.lift(good):
        part.replace(good)
        atomic.sync_folder(home.root)
    seal.put(good)
    kept = {each.file for each in contents}
    for path in home.kept_blobs.iterdir():
        if path.name not in kept:
            path.unlink()


def restore(home: Home) -> str:
    """Put the last good copy in place of the state file, which is kept beside it; returns what was done.

    A state that is sound and lacks contents is not replaced: they come back, as far as the copy has them.

    Raises:
        StateError: there is no good copy, or it is not whole any more.
    """
    database = home.database
    if database.exists() and (back := _bring_back(home)):
        return f"{home.blobs}: what was lost is back ({_named(back)}); {database} is sound and stays as it is"
    good = copy_path(database)
    if not good.exists():
        raise StateError(f"{good}: there is no good copy yet; start afresh with: make purge, then make up")
    try:
        prepare(good)
    except DamagedStateError as error:
        raise StateError(f"{good}: damaged as well; start afresh with: make purge, then make up") from error
    contents = _contents(good)
    if lost := _link(contents, home.kept_blobs, home.blobs):
        raise StateError(
            f"{good}: the contents of {_named(lost)} are lost, so nothing was changed; "
            "start afresh with: make purge, then make up"
        )
    part = database.with_name(database.name + ".part")
    try:
        part.write_bytes(good.read_bytes())
        part.chmod(0o600)
        with part.open("rb") as file:
            os.fsync(file.fileno())
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StateError(
            f"{part}: cannot be written ({error.strerror}; {good.stat().st_size} bytes are needed), so nothing was "
            "changed; run the same command again once there is room"
        ) from error
    aside = database.with_name(database.name + ".damaged")
    aside.unlink(missing_ok=True)
    if kept := database.exists():
        aside.hardlink_to(database)
    with seal.lift(database):
        for suffix in ("-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        atomic.sync_folder(database.parent)  # a log that came back would be taken for the copy's
        part.replace(database)
        atomic.sync_folder(database.parent)
    seal.put(database)
    return f"{database}: the last good copy is back" + (f"; the damaged file is kept as {aside.name}" if kept else "")


def _bring_back(home: Home) -> list[_Content]:
    """Give a sound state the contents that it lacks; returns them, none if that does not make it whole."""
    try:
        prepare(home.database)
    except StateError:
        return []
    lost = [each for each in _contents(home.database, "mode=ro") if not _whole(home.blobs / each.file, each.size)]
    return [] if _link(lost, home.kept_blobs, home.blobs) else lost


def _copy(database: Path, part: Path) -> None:
    """Copy the rows as they are at one moment."""
    part.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(part)) as target,
    ):
        source.backup(target)
    part.chmod(0o600)
    with part.open("rb") as file:
        os.fsync(file.fileno())


def _contents(database: Path, way: str = "immutable=1") -> list[_Content]:
    """What the rows of a state file name; the way to open it is one for a file at rest."""
    with closing(sqlite3.connect(f"{database.as_uri()}?{way}", uri=True)) as rows:
        found = rows.execute(
            "SELECT file, max(size), min(container || '/' || name) FROM (SELECT file, size, container, name FROM blobs "
            "UNION ALL SELECT file, size, container, name FROM blocks) WHERE file IS NOT NULL GROUP BY file"
        )
        return [_Content(*row) for row in found]


def _link(contents: Iterable[_Content], source: Path, target: Path) -> list[_Content]:
    """Bring every content to `target`, durably; returns those that neither folder has whole."""
    atomic.make_folder(target)
    lost = []
    for each in contents:
        if _whole(target / each.file, each.size):
            continue
        if not _whole(source / each.file, each.size):
            lost.append(each)
            continue
        (target / each.file).unlink(missing_ok=True)
        try:
            os.link(source / each.file, target / each.file)
        except FileNotFoundError:
            lost.append(each)
    atomic.sync_folder(target)
    return lost


def _whole(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _named(contents: list[_Content]) -> str:
    more = f" and of {len(contents) - 1} more" if len(contents) > 1 else ""
    return f"{contents[0].blob}{more}"
