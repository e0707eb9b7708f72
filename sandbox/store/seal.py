"""A digest beside a state file at rest, so that any change of its bytes is noticed when it is opened again.

SQLite checks the shape of its pages and the engine its own rows; neither sees a flipped bit in what Azure's resources
hold. The digest is there only while nobody has the file open for writing: who opens it holds a lock, which the kernel
lets go of however that process ends, and the file is sealed or judged by its seal only while nobody holds one.
"""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path

from sandbox import atomic


def put(path: Path) -> None:
    """Seal a file that nobody writes any more. One that is still in use elsewhere stays as it is."""
    with _alone(path) as alone:
        if not alone or _in_use(path):
            return
        atomic.write_private(_digest_path(path), _digest(path).encode())


def lift(path: Path) -> BufferedRandom:
    """Take the seal away, durably: what is written from now on must never be held against it.

    Returns:
        what keeps the seal away, until it is closed.
    """
    lock = _lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        _digest_path(path).unlink()
    except FileNotFoundError:
        return lock
    except BaseException:
        lock.close()
        raise
    atomic.sync_folder(path.parent)
    return lock


def sealed(path: Path) -> bool:
    """Whether the file is at rest with a seal, by which all of it is judged."""
    return _digest_path(path).exists() and not _in_use(path)


def broken(path: Path) -> bool:
    """Whether a sealed file is not what was sealed."""
    if not _digest_path(path).exists():
        return False
    with _alone(path) as alone:
        seal = _digest_path(path)
        if not alone or not seal.exists() or _in_use(path):
            return False
        return seal.read_text(encoding="utf-8", errors="replace") != _digest(path)


def held(path: Path) -> bool:
    """Whether somebody has the file open for writing, who looked at all of it before."""
    with _alone(path) as alone:
        return not alone


def logged(path: Path) -> bool:
    """Whether writes wait in a log beside the file."""
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether nobody has the file open for writing; who wants to waits until this ends."""
    with _lock(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _lock(path: Path) -> BufferedRandom:
    return path.with_name(f"{path.name}.lock").open("a+b")


def _digest_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sum")


def _in_use(path: Path) -> bool:
    return not path.exists() or logged(path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
