"""Files that are there whole or not at all, and survive a power cut once they are."""

import os
import tempfile
from pathlib import Path


def write_private(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a file that only its owner can read. Without `replace`, a file that is there already stays."""
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        settle(temporary, path, replace=replace)
    except OSError as error:  # a write that fails does not say where
        raise OSError(error.errno, f"{error.strerror}, {len(content)} bytes are needed", str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def settle(temporary: Path, path: Path, *, replace: bool = True) -> None:
    """Give a finished file its name, durably."""
    if replace:
        temporary.replace(path)
    else:
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner can read, and those above it, durably: or all that is in it goes with it."""
    if not (missing := [each for each in (folder, *folder.parents) if not each.is_dir()]):
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, and those that are gone from it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
