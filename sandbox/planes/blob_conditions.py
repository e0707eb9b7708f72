"""Conditions and ranges of blob requests."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from sandbox.arm.errors import ArmError
from sandbox.planes.blob_target import read_date
from sandbox.store.blobs import Blob

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_NAMES = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


def check_read(headers: Mapping[str, str], blob: Blob) -> None:
    """Refuse a read whose conditions do not hold.

    Raises:
        ArmError: 304 when nothing is new, 412 when it is not what the caller expects.
    """
    if reason := _broken(headers, blob.etag, blob.modified):
        status = 304 if reason in ("if-none-match", "if-modified-since") else 412
        raise _not_met(status, reason, headers, {"etag": blob.etag})


def check_write(headers: Mapping[str, str], there: Blob | None) -> None:
    """Refuse a write whose conditions do not hold for the blob that is there.

    Raises:
        ArmError: 409 BlobAlreadyExists, 412 ConditionNotMet.
    """
    if there is None:
        if "if-match" in headers:
            raise _not_met(412, "if-match", headers, {})
        return
    if headers.get("if-none-match") == "*":
        raise ArmError(409, "BlobAlreadyExists", f"The specified blob already exists: '{there.name}'.")
    if reason := _broken(headers, there.etag, there.modified):
        raise _not_met(412, reason, headers, {})


def check_source(headers: Mapping[str, str], source: Blob) -> None:
    """Refuse a copy whose conditions do not hold for its source.

    Raises:
        ArmError: 412 SourceConditionNotMet.
    """
    asked = {name: headers[f"x-ms-source-{name}"] for name in _NAMES if f"x-ms-source-{name}" in headers}
    if reason := _broken(asked, source.etag, source.modified):
        raise ArmError(412, "SourceConditionNotMet", f"The source does not meet {reason} '{asked[reason]}'.")


def asked(headers: Mapping[str, str]) -> bool:
    """Whether a request has conditions."""
    return any(name in headers for name in _NAMES)


def read_range(headers: Mapping[str, str], size: int) -> tuple[int, int] | None:
    """Start and length of the part that is asked for; None for the whole.

    Raises:
        ArmError: 416 InvalidRange for one that begins behind the end.
    """
    text = headers.get("x-ms-range") or headers.get("range")
    found = _RANGE.fullmatch(text.replace(" ", "")) if text else None
    if found is None:
        return None
    start, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if start >= size:
        raise ArmError(
            416, "InvalidRange", f"The range '{text}' begins behind the last of {size} bytes.",
            headers={"content-range": f"bytes */{size}"},
        )  # fmt: skip
    if last < start:
        return None
    return start, min(last, size - 1) - start + 1


def _broken(headers: Mapping[str, str], etag: str, modified: str) -> str:
    """The header of the first condition that does not hold, or ''."""
    if (wanted := headers.get("if-match")) and wanted != "*" and etag not in _tags(wanted):
        return "if-match"
    if (unwanted := headers.get("if-none-match")) and (unwanted == "*" or etag in _tags(unwanted)):
        return "if-none-match"
    if (since := headers.get("if-modified-since")) and _seconds(modified) <= read_date("If-Modified-Since", since):
        return "if-modified-since"
    if (until := headers.get("if-unmodified-since")) and _seconds(modified) > read_date("If-Unmodified-Since", until):
        return "if-unmodified-since"
    return ""


def _tags(text: str) -> list[str]:
    return [f'"{tag.strip().strip(chr(34))}"' for tag in text.split(",")]


def _seconds(timestamp: str) -> datetime:
    """HTTP dates have no fractions of a second."""
    return datetime.fromisoformat(timestamp).astimezone(UTC).replace(microsecond=0)


def _not_met(status: int, reason: str, headers: Mapping[str, str], extra: Mapping[str, str]) -> ArmError:
    return ArmError(
        status, "ConditionNotMet",
        f"The condition specified using HTTP conditional header(s) is not met: {reason} '{headers[reason]}'.",
        headers=extra,
    )  # fmt: skip
