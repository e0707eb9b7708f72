"""Names that clients and jobs choose, as files below a folder: here alone is decided where they may lead.

A link is never followed: what a job leaves behind is its own, what a link of its leads to is not.
"""

import os
from pathlib import Path
from typing import IO


class PathError(Exception):
    """A name leads out of its folder. The message has the name."""


def inside(folder: Path, name: str) -> Path:
    """The file below a folder that a name stands for.

    Args:
        folder: where it must stay.
        name: segments with `/` between them; those that are `.` count for nothing.

    Raises:
        PathError: it is absolute, has `..`, NUL, a backslash or an empty segment, or goes through a link.
    """
    parts = [part for part in name.split("/") if part != "."]
    if not parts or not {"", ".."}.isdisjoint(parts) or "\0" in name or "\\" in name:
        raise PathError(f"{name!r} is no name for a file below a folder")
    path = folder
    for part in parts:
        path /= part
        if path.is_symlink():
            raise PathError(f"{name!r} goes through a link, and links are not followed: {path}")
    return path


def files(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the files below a folder, and of the links, which are not followed."""
    found: list[str] = []
    links: list[str] = []
    for place, folders, names in os.walk(folder):
        for path in (Path(place, name) for name in (*folders, *names)):
            if path.is_symlink():
                links.append(path.relative_to(folder).as_posix())
            elif path.is_file():
                found.append(path.relative_to(folder).as_posix())
    return sorted(found), sorted(links)


def opened(path: Path, mode: str) -> IO[bytes]:
    """Open a file itself, in a binary mode.

    Raises:
        OSError: it is a link (ELOOP), or what `open` raises.
    """
    return open(path, mode, buffering=0, opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o600))
