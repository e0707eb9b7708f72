"""What a request to the blob service may ask for: what an operation does not heed is refused by name, since a
selector or a condition that is passed over would read, change or delete something else than was meant.
"""

from collections.abc import Iterable, Mapping

from sandbox.arm.errors import ArmError
from sandbox.planes import blob_signing
from sandbox.planes.blob_target import Operation, invalid_header

CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
SOURCE_CONDITIONS = tuple(f"x-ms-source-{name}" for name in CONDITIONS)
_QUERY = ("comp", "restype", "timeout", "api-version")
_HEADERS = (
    "x-ms-date", "x-ms-version", "x-ms-client-request-id", "x-ms-return-client-request-id", "x-ms-client-session-id",
    "x-ms-correlation-request-id", "x-ms-useragent",
    "x-ms-blob-type",  # selects nothing: it tells a PUT what to make
)  # fmt: skip
# Where one value asks for no more than what is done anyway.
_VALUES = {
    "x-ms-delete-snapshots": ("include", "the sandbox has no snapshots"),
    "x-ms-copy-source-blob-properties": ("true", "a copy takes the properties of its source"),
}


def check(operation: Operation, query: Mapping[str, str], headers: Mapping[str, str]) -> None:
    """Refuse what an operation does not heed.

    Raises:
        ArmError: 400 UnsupportedQueryParameter, UnsupportedHeader, InvalidHeaderValue.
    """
    check_query(query, operation.query)
    known = _HEADERS + operation.headers
    for name in headers:
        if name.startswith(("x-ms-", "if-")) and name not in known and not _begins(name, known):
            raise _unsupported("Header", name, operation.headers)
    for name, (only, why) in _VALUES.items():
        if name in headers and headers[name].lower() != only:
            raise invalid_header(name, headers[name], f"{only}: {why}")


def check_query(query: Mapping[str, str], heeded: tuple[str, ...] = ()) -> None:
    """Refuse query parameters that are not heeded.

    Raises:
        ArmError: 400 UnsupportedQueryParameter.
    """
    known = _QUERY + heeded + (blob_signing.PARAMETERS if "sig" in query else ())
    for name in query:
        if name not in known:
            raise _unsupported("QueryParameter", name, (*heeded, "timeout"))


def _begins(name: str, known: Iterable[str]) -> bool:
    return any(each.endswith("-") and name.startswith(each) for each in known)


def _unsupported(kind: str, name: str, heeded: Iterable[str]) -> ArmError:
    accepted = ", ".join(f"{each}*" if each.endswith("-") else each for each in sorted(heeded)) or "none"
    what = "query parameter" if kind == "QueryParameter" else "header"
    return ArmError(
        400, f"Unsupported{kind}",
        f"The {what} {name} is not in the sandbox for this operation, which would pass over it; accepted: {accepted}.",
    )  # fmt: skip
