"""XML that the blob service answers and reads."""

import html
import re
from collections.abc import Iterable, Mapping
from xml.sax.saxutils import escape, quoteattr

from sandbox.arm.errors import ArmError
from sandbox.gateway.http import Response
from sandbox.planes.blob_target import http_date
from sandbox.store.blobs import Blob, Container, Page

HEAD = '<?xml version="1.0" encoding="utf-8"?>'
META = "x-ms-meta-"
_SHOWN = ("Content-Type", "Content-Encoding", "Content-Language", "Content-MD5", "Cache-Control", "Content-Disposition")
_COPY = ("Id", "Source", "Status", "Progress", "Completion-Time")
_BLOCK = re.compile(r"<(Committed|Uncommitted|Latest)>([^<]*)</\1>")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def answer(body: str, headers: Mapping[str, str] | None = None) -> Response:
    """An XML response."""
    return Response(
        200,
        (HEAD + body).encode(),
        {"content-type": "application/xml", **(headers or {})},
    )


def element(name: str, text: object) -> str:
    """One element with a text."""
    return f"<{name}>{escape(str(text))}</{name}>"


def metadata(headers: Mapping[str, str]) -> str:
    """The metadata among a blob's headers."""
    found = "".join(element(name[len(META) :], value) for name, value in headers.items() if name.startswith(META))
    return f"<Metadata>{found}</Metadata>"


def check_include(query: Mapping[str, str], *known: str) -> None:
    """Refuse what a listing is to show and cannot.

    Raises:
        ArmError: 400 InvalidQueryParameterValue.
    """
    for part in filter(None, query.get("include", "").split(",")):
        if part not in known:
            raise ArmError(
                400, "InvalidQueryParameterValue",
                f"include is '{query['include']}': {part} is not in the sandbox; accepted: {', '.join(known)}.",
            )  # fmt: skip


def blobs(endpoint: str, container: str, query: Mapping[str, str], page: Page, marker: str) -> str:
    """One page of a container's blobs."""
    include = query.get("include", "").split(",")
    asked = "".join(
        element(shown, query[name])
        for name, shown in (
            ("prefix", "Prefix"), ("marker", "Marker"), ("maxresults", "MaxResults"), ("delimiter", "Delimiter"),
        )
        if query.get(name)
    )  # fmt: skip
    # One order for both: names and folded prefixes as they sort.
    items = [(blob.name, _blob(blob, include)) for blob in page.blobs]
    items += [(prefix, f"<BlobPrefix>{_name(prefix)}</BlobPrefix>") for prefix in page.prefixes]
    body = "".join(text for _, text in sorted(items))
    return (
        f"<EnumerationResults ServiceEndpoint={quoteattr(endpoint)} ContainerName={quoteattr(container)}>{asked}"
        f"<Blobs>{body}</Blobs>{element('NextMarker', marker)}</EnumerationResults>"
    )


def containers(endpoint: str, found: Iterable[Container], query: Mapping[str, str], marker: str) -> str:
    """One page of an account's containers."""
    with_metadata = "metadata" in query.get("include", "").split(",")
    body = "".join(
        f"<Container>{element('Name', each.name)}<Properties>{element('Last-Modified', http_date(each.modified))}"
        f"{element('Etag', each.etag)}<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
        "<HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold></Properties>"
        + (metadata({META + key: value for key, value in each.metadata.items()}) if with_metadata else "")
        + "</Container>"
        for each in found
    )
    return (
        f"<EnumerationResults ServiceEndpoint={quoteattr(endpoint)}><Containers>{body}</Containers>"
        f"{element('NextMarker', marker)}</EnumerationResults>"
    )


def blocks(committed: Iterable[tuple[str, int]], uncommitted: Iterable[tuple[str, int]]) -> str:
    """A blob's blocks."""
    body = ""
    for name, found in (("CommittedBlocks", committed), ("UncommittedBlocks", uncommitted)):
        items = "".join(f"<Block>{element('Name', id_)}{element('Size', size)}</Block>" for id_, size in found)
        body += f"<{name}>{items}</{name}>"
    return f"<BlockList>{body}</BlockList>"


def read_blocks(body: bytes) -> list[tuple[str, str]]:
    """The blocks that a Put Block List names: where to look, and id.

    Raises:
        ArmError: 400 InvalidXmlDocument.
    """
    text = body.decode("utf-8", "replace")
    if "<BlockList" not in text or "<!" in text:
        raise ArmError(400, "InvalidXmlDocument", "XML specified is not syntactically valid: want a BlockList.")
    return [(place, html.unescape(block)) for place, block in _BLOCK.findall(text)]


def _blob(blob: Blob, include: Iterable[str]) -> str:
    shown = "".join(element(name, blob.headers[name.lower()]) for name in _SHOWN if name.lower() in blob.headers)
    if "copy" in include:
        asked = ((name.replace("-", ""), blob.headers.get(f"x-ms-copy-{name.lower()}")) for name in _COPY)
        shown += "".join(element(f"Copy{name}", value) for name, value in asked if value)
    return (
        f"<Blob>{_name(blob.name)}<Properties>{element('Creation-Time', http_date(blob.created))}"
        f"{element('Last-Modified', http_date(blob.modified))}{element('Etag', blob.etag)}"
        f"{element('Content-Length', blob.size)}{shown}<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier>"
        "<AccessTierInferred>true</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus>"
        "<LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted></Properties>"
        + (metadata(blob.headers) if "metadata" in include else "")
        + "</Blob>"
    )


def _name(name: str) -> str:
    if _NOT_XML.search(name):
        quoted = _NOT_XML.sub(lambda found: f"%{ord(found[0]):02X}", name.replace("%", "%25"))
        return f'<Name Encoded="true">{escape(quoted)}</Name>'
    return element("Name", name)
