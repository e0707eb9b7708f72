"""Contents on disk: small ones go into the row, larger ones into a file of their own.

A file is durable before a row names it, and a file that no row names is nobody's: a crash leaves nothing worse
than such a file, and the next start removes it.
"""

import asyncio
import base64
import errno
import hashlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from sandbox import atomic, clock
from sandbox.store.db import DiskFullError, Store

IN_ROW = 64 * 1024
_PIECE = 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Body:
    """A content that is on disk, or small enough for its row.

    Attributes:
        size: in bytes.
        md5: base64, as HTTP writes it; '' when it was not computed.
        body: the content when it is small.
        file: else the name of the file that holds it.
    """

    size: int
    md5: str
    body: bytes | None
    file: str | None


class Bodies:
    """The folder of large contents."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def small(self, content: bytes) -> Body | None:
        """A content for its row, or None when it is too large for one."""
        if len(content) > IN_ROW:
            return None
        return Body(len(content), _md5(hashlib.md5(content, usedforsecurity=False)), content, None)

    async def keep(self, content: bytes | Path | AsyncIterable[bytes], expected: int = 0) -> Body:
        """Bring a content to disk, unless it is small; `expected` is how many bytes a stream is said to have.

        Raises:
            DiskFullError: with the folder and the bytes that it wanted.
        """
        if isinstance(content, bytes):
            if found := self.small(content):
                return found
            return await self._spill(_iterate([content]), b"", expected)
        pieces = _pieces(content) if isinstance(content, Path) else content
        head = bytearray()
        stream = aiter(pieces)
        async for piece in stream:
            head += piece
            if len(head) > IN_ROW:
                return await self._spill(stream, bytes(head), expected)
        found = self.small(bytes(head))
        if found is None:
            raise AssertionError("a content that ended below the limit is small")
        return found

    def join(self, size: int, content: Iterator[bytes]) -> Body:
        """Bring a content of `size` bytes to disk, unless it is small; reads and writes while the caller waits.

        Raises:
            DiskFullError: with the folder and the bytes that it wanted.
        """
        if size <= IN_ROW:
            return Body(size, "", b"".join(content), None)
        name = clock.new_hex(32)
        self._write(name, content, size)
        return Body(size, "", None, name)

    def read(self, body: bytes | None, file: str | None, start: int, length: int) -> Iterator[bytes]:
        """A part of a content, in pieces. The file is opened now, so a deletion meanwhile does no harm."""
        if file is None:
            return iter([(body or b"")[start : start + length]])
        return _read((self.folder / file).open("rb", buffering=0), start, length)

    def discard(self, body: Body) -> None:
        """Let go of a content that no row took."""
        if body.file:
            self.remove(body.file)

    def remove(self, file: str) -> None:
        """Remove a file; it may be gone already."""
        (self.folder / file).unlink(missing_ok=True)

    def sweep(self, store: Store) -> None:
        """At the start: remove every file that no row names."""
        rows = store.all(
            "SELECT file FROM blobs WHERE file IS NOT NULL UNION SELECT file FROM blocks WHERE file IS NOT NULL"
        )
        kept = {row["file"] for row in rows}
        atomic.make_folder(self.folder)
        for path in self.folder.iterdir():
            if path.name not in kept:
                path.unlink()

    async def _spill(self, rest: AsyncIterable[bytes], head: bytes, expected: int) -> Body:
        name, size, digest = clock.new_hex(32), 0, hashlib.md5(usedforsecurity=False)
        path = self.folder / name
        try:
            # Pieces are written where they arrive: the page cache takes them; the wait is in the fsync.
            with path.open("xb", buffering=0) as file:
                async for piece in _after(head, rest):
                    size += len(piece)
                    digest.update(piece)
                    _write_all(file.fileno(), piece)
                await asyncio.to_thread(os.fsync, file.fileno())
            await asyncio.to_thread(atomic.sync_folder, self.folder)
        except BaseException as error:
            path.unlink(missing_ok=True)
            raise _full(error, path, max(size, expected)) from error
        return Body(size, _md5(digest), None, name)

    def _write(self, name: str, content: Iterator[bytes], size: int) -> None:
        path = self.folder / name
        try:
            with path.open("xb", buffering=0) as file:
                for piece in content:
                    _write_all(file.fileno(), piece)
                os.fsync(file.fileno())
            atomic.sync_folder(self.folder)
        except BaseException as error:
            path.unlink(missing_ok=True)
            raise _full(error, path, size) from error


def _full(error: BaseException, path: Path, size: int) -> BaseException:
    if isinstance(error, OSError) and error.errno in _FULL:
        return DiskFullError(path, size)
    return error


def _md5(digest: "hashlib._Hash") -> str:
    return base64.b64encode(digest.digest()).decode()


def _write_all(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


def _read(file: FileIO, start: int, length: int) -> Iterator[bytes]:
    with file:
        while length > 0:
            piece = os.pread(file.fileno(), min(_PIECE, length), start)
            if not piece:
                raise OSError(f"{file.name!r}: ends {length} bytes early")
            start, length = start + len(piece), length - len(piece)
            yield piece


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    file = FileIO(os.open(path, os.O_RDONLY | os.O_NOFOLLOW))
    for piece in _read(file, 0, os.fstat(file.fileno()).st_size):
        yield piece
        await asyncio.sleep(0)  # a large file leaves room for other requests


async def _iterate(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _after(head: bytes, rest: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    if head:
        yield head
    async for piece in rest:
        yield piece
