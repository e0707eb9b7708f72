"""One content from the blocks that a list names."""

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.store.blob_rows import BlobError, find
from sandbox.store.bodies import IN_ROW, Bodies, Body
from sandbox.store.db import Reader, Store


@dataclass(frozen=True)
class _Part:
    """A stretch of a content that is kept.

    Attributes:
        size: in bytes.
        file: the file that it is in, if any.
        body: else the content that it is in.
        start: where in the content it begins; None when it is all of it.
        row: else the row of the staged block that it is.
    """

    size: int
    file: str | None
    body: bytes | None = None
    start: int | None = None
    row: int | None = None


def join(
    store: Store, bodies: Bodies, blob: tuple[str, str, str], blocks: list[tuple[str, str]]
) -> tuple[Body, list[int]]:
    """One content, and the size of each part of it; for a thread of its own. A single whole file is shared, not copied.

    Blocks may be replaced meanwhile: their rows are read as they were at one moment. Their files must stay. One part
    is open, and in memory, at a time, however many there are.

    Args:
        store: the state.
        bodies: the folder of large contents.
        blob: account, container and name.
        blocks: pairs of where to look (Committed, Uncommitted, Latest) and id.

    Raises:
        BlobError: InvalidBlockList, naming the block.
        DiskFullError: with the folder and the bytes that it wanted.
    """
    with store.moment() as reader:
        parts = _parts(reader, blob, blocks)
        sizes = [part.size for part in parts]
        if sum(sizes) > IN_ROW and len(parts) == 1 and parts[0].start is None:
            return Body(sizes[0], "", None, parts[0].file), sizes
        content = (piece for part in parts for piece in _pieces(reader, bodies, part))
        return bodies.join(sum(sizes), content), sizes


def _parts(reader: Reader, blob: tuple[str, str, str], blocks: list[tuple[str, str]]) -> list[_Part]:
    rows = reader.all("SELECT rowid, id, size, file FROM blocks WHERE account = ? AND container = ? AND name = ?", blob)
    staged = {row["id"]: _Part(row["size"], row["file"], row=None if row["file"] else row["rowid"]) for row in rows}
    committed: dict[str, _Part] = {}
    if there := find(reader, *blob):
        start = 0
        for block, size in there.blocks:
            committed[block] = _Part(size, there.file, there.body, start)
            start += size
    places = {"Uncommitted": [staged], "Committed": [committed], "Latest": [staged, committed]}
    parts = []
    for place, block in blocks:
        part = next((found[block] for found in places[place] if block in found), None)
        if part is None:
            raise BlobError("InvalidBlockList", f"Block '{block}' of '{blob[2]}' is not there as {place}.")
        parts.append(part)
    return parts


def _pieces(reader: Reader, bodies: Bodies, part: _Part) -> Iterator[bytes]:
    body = part.body
    if part.row is not None and (row := reader.one("SELECT body FROM blocks WHERE rowid = ?", (part.row,))):
        body = row["body"]
    return bodies.read(body, part.file, part.start or 0, part.size)
