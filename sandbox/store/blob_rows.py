"""The rows of containers, blobs and blocks: what a transaction may do with them."""

import json
import sqlite3
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sandbox import clock
from sandbox.store.bodies import Body
from sandbox.store.db import Reader, Tx


class BlobError(Exception):
    """A refusal. `code` is the storage service's own, such as ``BlobNotFound``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Container:
    """One container; `modified` is a timestamp as :mod:`sandbox.clock` writes it."""

    account: str
    name: str
    etag: str
    modified: str
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Blob:
    """One blob.

    Attributes:
        size: in bytes.
        headers: what a read answers, by lower-case name: content-type, content-md5, x-ms-meta-...
        created: timestamp of the first write.
        modified: timestamp of the last write.
        blocks: (id, size) of each block that it was committed from.
        body: the content when it is small and the blob was looked up by name.
        file: else the file that holds it.
    """

    account: str
    container: str
    name: str
    size: int
    headers: dict[str, str]
    etag: str
    created: str
    modified: str
    blocks: tuple[tuple[str, int], ...] = ()
    body: bytes | None = None
    file: str | None = None


Check = Callable[[Blob | None], None]
COLUMNS = "account, container, name, size, file, headers, etag, created, modified, blocks"


def find_container(reader: Reader, account: str, name: str) -> Container | None:
    """The container, or None."""
    row = reader.one("SELECT * FROM containers WHERE account = ? AND name = ?", (account, name))
    return to_container(row) if row else None


def need_container(reader: Reader, account: str, name: str) -> None:
    """Refuse without the container.

    Raises:
        BlobError: ContainerNotFound.
    """
    if reader.one("SELECT 1 FROM containers WHERE account = ? AND name = ?", (account, name)) is None:
        raise BlobError("ContainerNotFound", f"The specified container '{name}' of '{account}' does not exist.")


def save_container(tx: Tx, account: str, name: str, metadata: Mapping[str, str]) -> None:
    """Make a container, or give it other metadata."""
    tx.run(
        "INSERT OR REPLACE INTO containers VALUES (?,?,?,?,?)",
        (account, name, new_etag(), clock.timestamp(), json.dumps(dict(metadata))),
    )


def drop_container(tx: Tx, account: str, name: str) -> None:
    """Remove a container with all that is in it."""
    tx.run("DELETE FROM containers WHERE account = ? AND name = ?", (account, name))
    tx.run("DELETE FROM blobs WHERE account = ? AND container = ?", (account, name))
    tx.run("DELETE FROM blocks WHERE account = ? AND container = ?", (account, name))


def find(reader: Reader, account: str, container: str, name: str) -> Blob | None:
    """The blob with its body if that is small, or None."""
    row = reader.one("SELECT * FROM blobs WHERE account = ? AND container = ? AND name = ?", (account, container, name))
    return to_blob(row, row["body"]) if row else None


def need(reader: Reader, account: str, container: str, name: str) -> Blob:
    """The blob with its body if that is small.

    Raises:
        BlobError: ContainerNotFound or BlobNotFound.
    """
    if found := find(reader, account, container, name):
        return found
    need_container(reader, account, container)
    raise BlobError("BlobNotFound", f"The specified blob '{name}' does not exist in '{container}' of '{account}'.")


def replace(
    tx: Tx, account: str, container: str, name: str, body: Body, headers: Mapping[str, str],
    blocks: tuple[tuple[str, int], ...], check: Check | None,
) -> Blob:  # fmt: skip
    """Write a blob in place of what is there, if `check` does not refuse.

    Raises:
        BlobError: ContainerNotFound.
    """
    need_container(tx, account, container)
    there = find(tx, account, container, name)
    if check:
        check(there)
    now = clock.timestamp()
    blob = Blob(
        account, container, name, body.size, {key: value for key, value in headers.items() if value}, new_etag(),
        there.created if there else now, now, blocks, body.body, body.file,
    )  # fmt: skip
    values = (blob.size, blob.file, json.dumps(blob.headers), blob.etag, blob.modified, json.dumps(blocks), blob.body)
    # No upsert: its way with conflicts would be that of the triggers too, and the file may be in the trash already.
    sql = (
        "UPDATE blobs SET size = ?, file = ?, headers = ?, etag = ?, modified = ?, blocks = ?, body = ? "
        "WHERE account = ? AND container = ? AND name = ?"
    )
    if not tx.run(sql, (*values, account, container, name)):
        sql = (
            "INSERT INTO blobs (size, file, headers, etag, modified, blocks, body, account, container, name, created) "
        )
        tx.run(f"{sql} VALUES (?,?,?,?,?,?,?,?,?,?,?)", (*values, account, container, name, blob.created))
    return blob


def behind(prefix: str) -> str | bytes:
    """The first text that sorts behind every name that begins with `prefix`; without one, a value behind all text."""
    for cut in range(len(prefix) - 1, -1, -1):
        if (code := ord(prefix[cut])) < sys.maxunicode:
            # Surrogates are no characters: what follows the last one before them is the first one after.
            return prefix[:cut] + chr(0xE000 if code == 0xD7FF else code + 1)
    return b""  # SQLite sorts every text before every blob


def discard_blocks(tx: Tx, account: str, container: str, name: str) -> None:
    """Forget the blocks that wait for a blob."""
    tx.run("DELETE FROM blocks WHERE account = ? AND container = ? AND name = ?", (account, container, name))


def new_etag() -> str:
    """An ETag in the storage service's spelling."""
    return f'"0x8D{clock.new_hex(13).upper()}"'


def to_container(row: sqlite3.Row) -> Container:
    """A row as a container."""
    return Container(row["account"], row["name"], row["etag"], row["modified"], json.loads(row["metadata"]))


def to_blob(row: sqlite3.Row, body: bytes | None = None) -> Blob:
    """A row as a blob."""
    blocks = () if row["blocks"] == "[]" else tuple((id_, size) for id_, size in json.loads(row["blocks"]))
    return Blob(
        row["account"], row["container"], row["name"], row["size"], json.loads(row["headers"]), row["etag"],
        row["created"], row["modified"], blocks, body, row["file"],
    )  # fmt: skip
