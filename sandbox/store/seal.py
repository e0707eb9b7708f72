"""A digest beside a state file at rest, so that any change of its bytes is noticed when it is opened again.

SQLite checks the shape of its pages and the engine its own rows; neither sees a flipped bit in what Azure's resources
hold. The digest is there only while nobody has the file open for writing.
"""

import hashlib
import os
from pathlib import Path


def put(path: Path) -> None:
    """Seal a file that nobody writes any more. One that is still in use elsewhere stays as it is."""
    if _in_use(path):
        return
    part = _digest_path(path).with_suffix(".part")
    part.write_text(_digest(path), encoding="ascii")
    part.replace(_digest_path(path))


def lift(path: Path) -> None:
    """Take the seal away, durably: what is written from now on must never be held against it."""
    try:
        _digest_path(path).unlink()
    except FileNotFoundError:
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def broken(path: Path) -> bool:
    """Whether a sealed file is not what was sealed."""
    seal = _digest_path(path)
    return seal.exists() and not _in_use(path) and seal.read_text(encoding="utf-8", errors="replace") != _digest(path)


def _digest_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sum")


def _in_use(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return not path.exists() or (log.exists() and log.stat().st_size > 0)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
