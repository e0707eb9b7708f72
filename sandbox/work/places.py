"""Files between blob storage and folders of this machine."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.store.blobs import Blobs
from sandbox.work import paths

_TOGETHER = 16  # writes at a time share a commit


@dataclass(frozen=True)
class Place:
    """A blob, or the blobs below a path, in a container.

    Attributes:
        account: storage account.
        container: its container.
        path: name of a blob, or a prefix; without slashes around it.
    """

    account: str
    container: str
    path: str

    def below(self, path: str) -> "Place":
        """A place inside this one."""
        return Place(self.account, self.container, "/".join(part for part in (self.path, path.strip("/")) if part))

    @property
    def uri(self) -> str:
        """Where a person would look."""
        return f"https://{self.account}.blob.core.windows.net/{self.container}/{self.path}"


class PlaceError(Exception):
    """What a place should hold is not there, or cannot be written. The message names the place."""


async def fetch(blobs: Blobs, place: Place, target: Path) -> Path:
    """Bring a place's files below a folder.

    Returns:
        The file when the place is a single blob, else the folder.

    Raises:
        PlaceError: there is nothing.
        PathError: a blob's name leads out of the folder.
    """
    if blobs.container(place.account, place.container) is None:
        raise PlaceError(f"{place.uri}: the container does not exist")
    if place.path and (blob := blobs.head(place.account, place.container, place.path)):
        file = paths.inside(target, place.path.rpartition("/")[2])
        await asyncio.to_thread(blobs.save, blob, file)
        return file
    prefix = f"{place.path}/" if place.path else ""
    found = False
    for blob in list(blobs.walk(place.account, place.container, prefix)):
        found = True
        full = blobs.need(place.account, place.container, blob.name)
        await asyncio.to_thread(blobs.save, full, paths.inside(target, blob.name[len(prefix) :]))
    if not found:
        raise PlaceError(f"{place.uri}: no file is there")
    return target


async def store(blobs: Blobs, folder: Path, name: str, place: Place) -> int:
    """Write a file, or all files of a folder, to a place; returns how many.

    Args:
        blobs: where to.
        folder: what may lie below it is not trusted.
        name: of the file or folder there.
        place: where to.

    Raises:
        PlaceError: the container does not exist, or there are links, which are not followed; the files are written.
        PathError: the name goes through a link.
    """
    if blobs.container(place.account, place.container) is None:
        raise PlaceError(f"{place.uri}: the container does not exist")
    source = paths.inside(folder, name)
    if source.is_file():
        await _put(blobs, folder, name, place)
        return 1
    files, links = paths.files(source)
    for start in range(0, len(files), _TOGETHER):
        part = files[start : start + _TOGETHER]
        await asyncio.gather(*(_put(blobs, folder, f"{name}/{each}", place.below(each)) for each in part))
    if links:
        raise PlaceError(f"{', '.join(links[:5])}: a link is not followed; leave the file itself (cp -L)")
    return len(files)


async def _put(blobs: Blobs, folder: Path, name: str, place: Place) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in paths.pieces(file):
            yield piece
            await asyncio.sleep(0)  # a large file leaves room for other requests

    with paths.opened(folder, name) as file:
        await blobs.put(place.account, place.container, place.path, pieces())


async def copy(blobs: Blobs, source: Place, target: Place) -> int:
    """Copy a file, or all files below a place, within blob storage; returns how many.

    Raises:
        PlaceError: there is nothing.
    """
    if blobs.container(source.account, source.container) is None:
        raise PlaceError(f"{source.uri}: the container does not exist")
    one = blobs.head(source.account, source.container, source.path) if source.path else None
    prefix = "" if one or not source.path else f"{source.path}/"
    found = [one] if one else list(blobs.walk(source.account, source.container, prefix))
    if not found:
        raise PlaceError(f"{source.uri}: no file is there")
    for start in range(0, len(found), _TOGETHER):
        names = [target.path if one else target.below(each.name[len(prefix) :]).path for each in found]
        part = zip(found[start : start + _TOGETHER], names[start:], strict=False)
        await asyncio.gather(
            *(blobs.copy(each, target.account, target.container, name, each.headers) for each, name in part)
        )
    return len(found)


def exists(blobs: Blobs, place: Place) -> bool:
    """Whether a place holds anything."""
    if blobs.container(place.account, place.container) is None:
        return False
    if place.path and blobs.head(place.account, place.container, place.path):
        return True
    prefix = f"{place.path}/" if place.path else ""
    return bool(blobs.page(place.account, place.container, prefix, limit=1).blobs)
