"""Names that clients and jobs choose, as files below a folder: here alone is decided where they may lead.

A link is never followed: what a job leaves behind is its own, what a link of its leads to is not.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

_PIECE = 1024 * 1024


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
    with suppress(FileNotFoundError):  # a job that runs may take any of them away
        for place, folders, names, held in os.fwalk(folder):
            for name in (*folders, *names):
                with suppress(FileNotFoundError):
                    mode = os.stat(name, dir_fd=held, follow_symlinks=False).st_mode
                    path = Path(place, name).relative_to(folder).as_posix()
                    if stat.S_ISLNK(mode):
                        links.append(path)
                    elif stat.S_ISREG(mode):
                        found.append(path)
    return sorted(found), sorted(links)


def opened(folder: Path, name: str, mode: str = "rb") -> IO[bytes]:
    """Open a file below a folder itself, in a binary mode, whatever a job makes of the names meanwhile.

    Raises:
        OSError: it or a folder on the way is a link (ELOOP, ENOTDIR), it is no file (EINVAL), or what `open` raises.
    """
    *folders, last = name.split("/")
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for each in folders:
            below = os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=held)
            os.close(held)
            held = below
        # A pipe in its place must not keep anybody waiting.
        file = open(  # noqa: SIM115 - the caller closes it
            last, mode, buffering=0,
            opener=lambda each, flags: os.open(each, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600, dir_fd=held),
        )  # fmt: skip
    finally:
        os.close(held)
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "no file", name)


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """What a file holds now, in pieces; what a job adds meanwhile is left out. The file is closed at the end."""
    with file:
        left = os.fstat(file.fileno()).st_size
        while piece := file.read(min(left, _PIECE)):
            left -= len(piece)
            yield piece
