"""Operations on a blob."""

import base64
import binascii
import hashlib
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox import clock
from sandbox.arm.errors import ArmError
from sandbox.gateway.http import Response, streamed
from sandbox.planes import blob_signing, blob_xml
from sandbox.planes.blob_conditions import asked, check_read, check_source, check_write, read_range
from sandbox.planes.blob_heeded import CONDITIONS, SOURCE_CONDITIONS, check_query
from sandbox.planes.blob_target import Operation, Target, http_date, invalid_header
from sandbox.store.blobs import Blob
from sandbox.store.bodies import IN_ROW, Body

_CONTENT = (
    "content-type", "content-encoding", "content-language", "content-md5", "cache-control", "content-disposition",
)  # fmt: skip
_META_NAME = re.compile(r"[A-Za-z_]\w*")
_MOST_BLOCKS = 50_000
_LIST_LIMIT = 8 * 1024 * 1024  # bytes of a list of that many
_MOST_METADATA = 8 * 1024
_MD5_RANGE = 4 * 1024 * 1024
_FIXED = {
    "accept-ranges": "bytes", "x-ms-blob-type": "BlockBlob", "x-ms-lease-status": "unlocked",
    "x-ms-lease-state": "available", "x-ms-server-encrypted": "true",
}  # fmt: skip


async def get(target: Target) -> Response:
    """Content and properties; for HEAD properties only."""
    blob = target.blobs.need(*target.where)
    if asked(target.request.headers):
        check_read(target.request.headers, blob)
    shown = blob.headers | blob_signing.shown(target.request.query)
    headers = {
        **_FIXED, **shown, "etag": blob.etag, "last-modified": http_date(blob.modified),
        "x-ms-creation-time": http_date(blob.created), "content-length": str(blob.size),
    }  # fmt: skip
    if target.request.method == "HEAD":
        headers.update({"x-ms-access-tier": "Hot", "x-ms-access-tier-inferred": "true"})
        return Response(200, headers=headers)
    part = read_range(target.request.headers, blob.size)
    if part is None:
        return Response(200, _content(target, blob, 0, blob.size), headers)
    start, length = part
    headers["content-length"] = str(length)
    headers["content-range"] = f"bytes {start}-{start + length - 1}/{blob.size}"
    if whole := headers.pop("content-md5", ""):
        headers["x-ms-blob-content-md5"] = whole
    if target.request.headers.get("x-ms-range-get-content-md5", "").lower() == "true":
        if length > _MD5_RANGE:
            raise invalid_header("x-ms-range-get-content-md5", "true", "a range of up to 4 MiB with it")
        content = b"".join(target.blobs.read(blob, start, length))
        headers["content-md5"] = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
    return Response(206, _content(target, blob, start, length), headers)


async def put(target: Target) -> Response:
    """Put Blob, Put Blob From URL, Copy Blob: told apart by two headers."""
    kind, source = target.request.headers.get("x-ms-blob-type"), target.request.headers.get("x-ms-copy-source")
    if source is not None:
        return await _copy(target, source, as_put=kind is not None)
    if kind != "BlockBlob":
        raise invalid_header("x-ms-blob-type", kind or "", "BlockBlob; the sandbox has no append and page blobs")
    body = await _body(target)
    headers = _headers(target.request.headers)
    headers.setdefault("content-type", target.request.headers.get("content-type", "application/octet-stream"))
    headers.setdefault("content-md5", body.md5)
    blob = await target.blobs.put(
        *target.where, body, headers,
        lambda there: check_write(target.request.headers, there),
    )  # fmt: skip
    return _written(blob, 201, {"content-md5": body.md5, "x-ms-request-server-encrypted": "true"})


async def put_block(target: Target) -> Response:
    """Keep a block until a list names it."""
    block = _block_id(target.request.query.get("blockid", ""))
    if source := target.request.headers.get("x-ms-copy-source"):
        found = _source(target, source, alone=True)
        part = read_range({"range": target.request.headers.get("x-ms-source-range", "")}, found.size) or (0, found.size)
        body = await target.blobs.bodies.keep(streamed(target.blobs.read(found, *part)))
    else:
        body = await _body(target)
    await target.blobs.stage(*target.where, block, body)
    return Response(201, headers={"content-md5": body.md5, "x-ms-request-server-encrypted": "true"})


async def put_blocks(target: Target) -> Response:
    """A blob from its blocks."""
    wanted = blob_xml.read_blocks(await target.request.body(_LIST_LIMIT))
    if len(wanted) > _MOST_BLOCKS:
        raise ArmError(400, "BlockListTooLong", f"The list has {len(wanted)} blocks, want up to {_MOST_BLOCKS}.")
    headers = _headers(target.request.headers)
    headers.setdefault("content-type", "application/octet-stream")
    blob = await target.blobs.commit(
        *target.where, wanted, headers,
        lambda there: check_write(target.request.headers, there),
    )  # fmt: skip
    return _written(blob, 201, {"x-ms-request-server-encrypted": "true"})


async def get_blocks(target: Target) -> Response:
    """The blocks of a blob, and those that wait for a list."""
    which = target.request.query.get("blocklisttype", "committed")
    where = target.where
    blob, staged = target.blobs.head(*where), target.blobs.staged(*where)
    if blob is None and not staged:
        blob = target.blobs.need(*where)
    committed = blob.blocks if blob and which in ("committed", "all") else ()
    headers = {"etag": blob.etag, "last-modified": http_date(blob.modified)} if blob else {}
    headers["x-ms-blob-content-length"] = str(blob.size if blob else 0)
    return blob_xml.answer(blob_xml.blocks(committed, staged if which in ("uncommitted", "all") else ()), headers)


async def delete(target: Target) -> Response:
    """Gone."""
    await target.blobs.delete(*target.where, lambda there: check_write(target.request.headers, there))
    return Response(202, headers={"x-ms-delete-type-permanent": "true"})


async def get_metadata(target: Target) -> Response:
    """Metadata alone."""
    blob = target.blobs.need(*target.where)
    check_read(target.request.headers, blob)
    return _written(blob, 200, {name: value for name, value in blob.headers.items() if name.startswith(blob_xml.META)})


async def set_metadata(target: Target) -> Response:
    """Other metadata in place of all that it has."""
    new = _metadata(target.request.headers)
    return await _describe(target, lambda old: {k: v for k, v in old.items() if not k.startswith(blob_xml.META)} | new)


async def set_properties(target: Target) -> Response:
    """Other content headers in place of all that it has."""
    new = _content_headers(target.request.headers)
    return await _describe(target, lambda old: {k: v for k, v in old.items() if k.startswith(blob_xml.META)} | new)


async def _describe(target: Target, change: Callable[[dict[str, str]], dict[str, str]]) -> Response:
    blob = await target.blobs.describe(
        *target.where, change,
        lambda there: check_write(target.request.headers, there),
    )  # fmt: skip
    return _written(blob, 200, {"x-ms-request-server-encrypted": "true"})


async def _copy(target: Target, url: str, *, as_put: bool) -> Response:
    """The content of another blob of the sandbox; the copy is there when the request is answered."""
    alone = as_put or target.request.headers.get("x-ms-requires-sync", "").lower() == "true"
    source = _source(target, url, alone=alone)
    check_source(target.request.headers, source)
    own = _metadata(target.request.headers)
    headers = {k: v for k, v in source.headers.items() if not (own and k.startswith(blob_xml.META))} | own
    if as_put:
        headers |= _content_headers(target.request.headers)
    else:
        headers |= {
            "x-ms-copy-id": clock.new_id(), "x-ms-copy-status": "success", "x-ms-copy-source": url.partition("?")[0],
            "x-ms-copy-progress": f"{source.size}/{source.size}",
            "x-ms-copy-completion-time": http_date(clock.timestamp()),
        }  # fmt: skip
    blob = await target.blobs.copy(
        source, *target.where, headers,
        lambda there: check_write(target.request.headers, there),
    )  # fmt: skip
    shown = {name: value for name, value in headers.items() if name in ("x-ms-copy-id", "x-ms-copy-status")}
    return _written(blob, 201 if as_put else 202, shown)


def _source(target: Target, url: str, *, alone: bool) -> Blob:
    """The blob that a copy reads, once the caller has shown that it may.

    Args:
        target: what is written.
        url: the source.
        alone: the request's own identity does not count, as for all that copies while the request waits.

    Raises:
        ArmError: 400 for a source outside the sandbox, 401 or 403 without the right, 404 when it is not there.
    """
    parts = urlsplit(url)
    name, dot, rest = parts.netloc.lower().partition(".")
    if not dot or rest != "blob.core.windows.net":
        raise invalid_header("x-ms-copy-source", url, "a blob of a storage account; nothing leaves the sandbox")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    check_query(query)
    account = target.gate.account(name)
    source = Target(target.gate, account, target.request, unquote(parts.path), query)
    read, where = OPERATIONS["GET", ""], f"'{source.container}/{source.blob}'"
    given = target.request.headers.get("x-ms-copy-source-authorization", "")
    if "sig" in query or given:
        try:
            target.gate.admit_source(query, given, source, read)
        except ArmError as error:
            raise ArmError(error.status, "CannotVerifyCopySource", f"The source {where}: {error.message}") from error
    elif not target.gate.public(source, read):
        if alone or "sig" in target.request.query:  # a signature opens what it names, and that is the target
            raise ArmError(
                401, "CannotVerifyCopySource",
                f"The source {where} is not public: sign its address, or send x-ms-copy-source-authorization.",
            )  # fmt: skip
        if account.name != target.account.name or not _may_read(target, source, read):
            raise ArmError(403, "CannotVerifyCopySource", f"The caller may not read the source {where}.")
    return target.blobs.need(account.name, source.container, source.blob)


def _may_read(target: Target, source: Target, read: Operation) -> bool:
    """An account key opens all of its account; whoever has signed in needs the right to read."""
    return not target.caller or target.gate.allowed(target.caller, read, source.scope)


async def _body(target: Target) -> Body:
    """The request's content on disk, once it is what the client says it is."""
    length = int(target.request.headers.get("content-length") or 0)
    bodies = target.blobs.bodies
    body = await bodies.keep(await target.request.body() if 0 < length <= IN_ROW else target.request.stream(), length)
    sent = target.request.headers.get("content-md5")
    if sent and sent != body.md5:
        bodies.discard(body)
        raise ArmError(
            400, "Md5Mismatch", f"The MD5 value in the request is '{sent}', that of the content is '{body.md5}'."
        )
    return body


def _content(target: Target, blob: Blob, start: int, length: int) -> bytes | AsyncGenerator[bytes, None]:
    if blob.body is not None:
        return blob.body[start : start + length]
    return streamed(target.blobs.read(blob, start, length))


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What a request wants a later read to answer."""
    return {**_content_headers(headers), **_metadata(headers)}


def _content_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[f"x-ms-blob-{name}"] for name in _CONTENT if headers.get(f"x-ms-blob-{name}")}


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    found = {name: value for name, value in headers.items() if name.startswith(blob_xml.META)}
    for name in found:
        if not _META_NAME.fullmatch(name[len(blob_xml.META) :]):
            raise ArmError(400, "InvalidMetadata", f"The header {name} does not name metadata as C# names a variable.")
    if sum(len(name) + len(value) for name, value in found.items()) > _MOST_METADATA:
        raise ArmError(400, "MetadataTooLarge", f"The metadata is larger than {_MOST_METADATA} bytes.")
    return found


def _block_id(text: str) -> str:
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error:
        decoded = b""
    if not 1 <= len(decoded) <= 64:
        raise ArmError(400, "InvalidQueryParameterValue", f"blockid is '{text}': want 1-64 bytes in base64.")
    return text


def _written(blob: Blob, status: int, headers: Mapping[str, str]) -> Response:
    return Response(status, headers={"etag": blob.etag, "last-modified": http_date(blob.modified), **headers})


_KEPT = (*(f"x-ms-blob-{name}" for name in _CONTENT), blob_xml.META)
_COPIED = ("x-ms-copy-source", "x-ms-copy-source-authorization")
OPERATIONS = {
    ("GET", ""): Operation(
        get, "containers/blobs/read", "r", headers=(*CONDITIONS, "x-ms-range", "x-ms-range-get-content-md5")
    ),
    ("PUT", ""): Operation(
        put, "containers/blobs/write", "cw",
        headers=(*CONDITIONS, *_KEPT, *_COPIED, *SOURCE_CONDITIONS, "x-ms-requires-sync",
                 "x-ms-copy-source-blob-properties"),
    ),
    ("DELETE", ""): Operation(delete, "containers/blobs/delete", "d", headers=(*CONDITIONS, "x-ms-delete-snapshots")),
    ("GET", "metadata"): Operation(get_metadata, "containers/blobs/read", "r", headers=CONDITIONS),
    ("PUT", "metadata"): Operation(set_metadata, "containers/blobs/write", "w", headers=(*CONDITIONS, blob_xml.META)),
    ("PUT", "properties"): Operation(
        set_properties, "containers/blobs/write", "w", headers=(*CONDITIONS, *_KEPT[:-1])
    ),
    ("PUT", "block"): Operation(
        put_block, "containers/blobs/write", "cw", query=("blockid",), headers=(*_COPIED, "x-ms-source-range")
    ),
    ("PUT", "blocklist"): Operation(put_blocks, "containers/blobs/write", "cw", headers=(*CONDITIONS, *_KEPT)),
    ("GET", "blocklist"): Operation(get_blocks, "containers/blobs/read", "r", query=("blocklisttype",)),
}  # fmt: skip
