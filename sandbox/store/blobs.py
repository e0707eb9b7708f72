"""Containers and blobs: what is acknowledged is on disk.

Used by the blob plane, and by jobs and deployments for what they read and leave. Who may do what is not asked
here. The rows of ``containers`` follow the ARM resources of the same name.
"""

import asyncio
import logging
from collections.abc import AsyncIterable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sandbox.store import block_lists
from sandbox.store.blob_rows import (
    COLUMNS,
    Blob,
    BlobError,
    Check,
    Container,
    behind,
    discard_blocks,
    find,
    find_container,
    need,
    need_container,
    replace,
    to_blob,
    to_container,
)
from sandbox.store.bodies import Bodies, Body
from sandbox.store.db import DiskFullError, Reader, Store, Tx

__all__ = ["Blob", "BlobError", "Blobs", "Container", "Content", "Page"]

Content = bytes | Path | AsyncIterable[bytes]
log = logging.getLogger("sandbox.blobs")
_SWEEP_SECONDS = 2.0


@dataclass(frozen=True)
class Page:
    """One page of a listing; `marker` is where the next one starts, '' after the last."""

    blobs: list[Blob]
    prefixes: list[str]
    marker: str


T = TypeVar("T")


class Blobs:
    """All blobs of all accounts.

    Args:
        store: the state.
        folder: where large contents are.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self.bodies = Bodies(folder)
        self._sweeper: asyncio.Task[None] | None = None
        self._joining = 0

    async def start(self) -> None:
        """Remove what a crash left over, then keep removing what is let go of."""
        await asyncio.to_thread(self.bodies.sweep, self._store)
        await self._store.write(lambda tx: tx.run("DELETE FROM trash"))
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    async def stop(self) -> None:
        """End the removing; the next start goes on."""
        if self._sweeper:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)

    def container(self, account: str, name: str) -> Container | None:
        """The container, or None."""
        return find_container(self._store, account, name)

    def containers(self, account: str, prefix: str = "") -> list[Container]:
        """Containers of an account by name."""
        rows = self._store.all(
            "SELECT * FROM containers WHERE account = ? AND name >= ? AND name < ? ORDER BY name",
            (account, prefix, behind(prefix)),
        )
        return [to_container(row) for row in rows]

    def head(self, account: str, container: str, name: str) -> Blob | None:
        """The blob, or None."""
        return find(self._store, account, container, name)

    def need(self, account: str, container: str, name: str) -> Blob:
        """The blob.

        Raises:
            BlobError: ContainerNotFound or BlobNotFound.
        """
        return need(self._store, account, container, name)

    def read(self, blob: Blob, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Content of a blob, or a part of it, in pieces of up to 1 MiB."""
        return self.bodies.read(blob.body, blob.file, start, blob.size - start if length is None else length)

    def get(self, account: str, container: str, name: str) -> bytes:
        """Content of a blob at once: for small ones.

        Raises:
            BlobError: as :meth:`need`.
        """
        return b"".join(self.read(self.need(account, container, name)))

    def save(self, blob: Blob, path: Path) -> None:
        """Write a blob's content to a file, making its folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for piece in self.read(blob):
                file.write(piece)

    def page(
        self,
        account: str,
        container: str,
        prefix: str = "",
        *,
        delimiter: str = "",
        marker: str = "",
        limit: int = 5000,
    ) -> Page:
        """Blobs by name, those behind a delimiter folded into prefixes. Bodies are not read.

        Raises:
            BlobError: ContainerNotFound.
        """
        need_container(self._store, account, container)
        blobs: list[Blob] = []
        prefixes: list[str] = []
        here: str | bytes = max(prefix, marker)
        end = behind(prefix)
        while True:
            room = limit - len(blobs) - len(prefixes)
            with self._store.each(
                f"SELECT {COLUMNS} FROM blobs WHERE account = ? AND container = ? AND name >= ? AND name < ? "  # noqa: S608 - a constant
                "ORDER BY name LIMIT ?",
                (account, container, here, end, room + 1),
            ) as rows:
                for row in rows:
                    if len(blobs) + len(prefixes) == limit:
                        return Page(blobs, prefixes, row["name"])
                    cut = row["name"].find(delimiter, len(prefix)) if delimiter else -1
                    if cut >= 0:
                        folded = row["name"][: cut + len(delimiter)]
                        prefixes.append(folded)
                        here = behind(folded)
                        break
                    blobs.append(to_blob(row))
                else:
                    return Page(blobs, prefixes, "")

    def walk(self, account: str, container: str, prefix: str = "") -> Iterator[Blob]:
        """Every blob below a prefix, by name."""
        marker = ""
        while True:
            page = self.page(account, container, prefix, marker=marker)
            yield from page.blobs
            if not (marker := page.marker):
                return

    async def put(
        self, account: str, container: str, name: str, content: Content | Body,
        headers: Mapping[str, str] | None = None, check: Check | None = None,
    ) -> Blob:  # fmt: skip
        """Write a blob whole, in place of what was there.

        Args:
            account: its account.
            container: its container, which must exist.
            name: its name.
            content: bytes, a file to read, a stream, or what :meth:`Bodies.keep` returned.
            headers: what a read shall answer; content-md5 is added.
            check: raises to refuse, given the blob that is there; asked in the same transaction.

        Raises:
            BlobError: ContainerNotFound.
            DiskFullError: there is no room.
        """
        body = content if isinstance(content, Body) else await self.bodies.keep(content)
        shown = {"content-type": "application/octet-stream", "content-md5": body.md5, **(headers or {})}

        def write(tx: Tx) -> Blob:
            blob = replace(tx, account, container, name, body, shown, (), check)
            discard_blocks(tx, account, container, name)
            return blob

        return await self._keeping(body, write)

    async def describe(
        self, account: str, container: str, name: str, change: Callable[[dict[str, str]], dict[str, str]],
        check: Check | None = None,
    ) -> Blob:  # fmt: skip
        """Give a blob the headers that `change` makes of those it has.

        Raises:
            BlobError: ContainerNotFound or BlobNotFound.
        """

        def write(tx: Tx) -> Blob:
            now = need(tx, account, container, name)
            body = Body(now.size, "", now.body, now.file)
            return replace(tx, account, container, name, body, change(now.headers), now.blocks, check)

        return await self._store.write(write)

    async def copy(
        self,
        source: Blob,
        account: str,
        container: str,
        name: str,
        headers: Mapping[str, str],
        check: Check | None = None,
    ) -> Blob:
        """Write a blob with the content of another; a file is shared, not copied.

        Raises:
            BlobError: ContainerNotFound, or BlobNotFound for a source that went meanwhile.
        """

        def write(tx: Tx) -> Blob:
            now = find(tx, source.account, source.container, source.name)
            if now is None or now.etag != source.etag:
                raise BlobError("CannotVerifyCopySource", f"'{source.name}' changed while it was copied.")
            body = Body(now.size, "", now.body, now.file)
            return replace(tx, account, container, name, body, headers, now.blocks, check)

        return await self._store.write(write)

    async def delete(self, account: str, container: str, name: str, check: Check | None = None) -> None:
        """Delete a blob.

        Raises:
            BlobError: ContainerNotFound or BlobNotFound.
        """

        def write(tx: Tx) -> None:
            there = need(tx, account, container, name)
            if check:
                check(there)
            tx.run("DELETE FROM blobs WHERE account = ? AND container = ? AND name = ?", (account, container, name))
            discard_blocks(tx, account, container, name)

        await self._store.write(write)

    async def stage(self, account: str, container: str, name: str, block: str, content: Content | Body) -> None:
        """Keep a block until it is committed.

        Raises:
            BlobError: ContainerNotFound.
            DiskFullError: there is no room.
        """
        body = content if isinstance(content, Body) else await self.bodies.keep(content)

        def write(tx: Tx) -> None:
            need_container(tx, account, container)
            key = (account, container, name, block)
            tx.run("DELETE FROM blocks WHERE account = ? AND container = ? AND name = ? AND id = ?", key)
            tx.run("INSERT INTO blocks VALUES (?,?,?,?,?,?,?)", (*key, body.size, body.file, body.body))

        await self._keeping(body, write)

    def staged(self, account: str, container: str, name: str) -> list[tuple[str, int]]:
        """Id and size of each block that waits to be committed."""
        rows = self._store.all(
            "SELECT id, size FROM blocks WHERE account = ? AND container = ? AND name = ? ORDER BY id",
            (account, container, name),
        )
        return [(row["id"], row["size"]) for row in rows]

    async def commit(
        self, account: str, container: str, name: str, blocks: list[tuple[str, str]],
        headers: Mapping[str, str], check: Check | None = None,
    ) -> Blob:  # fmt: skip
        """Write a blob from blocks: pairs of where to look (Committed, Uncommitted, Latest) and id.

        Raises:
            BlobError: InvalidBlockList, naming the block; ContainerNotFound.
            DiskFullError: there is no room.
        """
        self._joining += 1
        try:
            body, sizes = await asyncio.to_thread(
                block_lists.join, self._store, self.bodies, (account, container, name), blocks
            )
            ids = tuple((block, size) for (_, block), size in zip(blocks, sizes, strict=True))

            def write(tx: Tx) -> Blob:
                blob = replace(tx, account, container, name, body, headers, ids, check)
                discard_blocks(tx, account, container, name)
                return blob

            return await self._keeping(body, write)
        finally:
            self._joining -= 1

    async def _keeping(self, body: Body, write: Callable[[Tx], T]) -> T:
        """Run `write`; if it is refused or fails, nobody holds the content and its file goes.

        A cancellation is no failure: the write may still happen.
        """
        try:
            return await self._store.write(write)
        except Exception:
            if body.file and not self._held(self._store, body.file, "blobs", "blocks", "trash"):
                self.bodies.discard(body)
            raise

    async def _sweep(self) -> None:
        """Remove files that no row names any more."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            try:
                files = [row["file"] for row in self._store.all("SELECT file FROM trash LIMIT 1000")]
                if files:
                    await self._empty(files)
            except DiskFullError:
                continue  # the files are gone, which is the repair; their rows go next time
            except Exception:
                log.exception("files that no blob names any more could not be removed; tried again later")

    async def _empty(self, files: list[str]) -> None:
        removed = set()
        for file in files:
            if self._joining:  # it may still read them
                break
            if not self._held(self._store, file):
                await asyncio.to_thread(self.bodies.remove, file)
                removed.add(file)

        def write(tx: Tx) -> None:
            for file in files:
                if file in removed or self._held(tx, file):  # else its last row went meanwhile: next time
                    tx.run("DELETE FROM trash WHERE file = ?", (file,))

        await self._store.write(write)

    @staticmethod
    def _held(reader: Reader, file: str, *tables: str) -> bool:
        return any(
            reader.one(f"SELECT 1 FROM {table} WHERE file = ?", (file,))  # noqa: S608 - constants
            for table in tables or ("blobs", "blocks")
        )
