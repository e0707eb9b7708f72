"""Build contexts: two uris mean the same one when the same files are there."""

import json
import re

from sandbox.arm.resource import View

_URI = re.compile(r"(?i)https://([a-z0-9]+)\.blob\.core\.windows\.net/([^/?]+)/([^?]*)(?:\?.*)?")


def same_files(one: str, other: str, view: View) -> bool:
    """Whether two uris of folders in blob storage hold files of the same names and contents."""
    files = _files(one, view)
    return bool(files) and files == _files(other, view)


def _files(uri: str, view: View) -> set[tuple[str, int, str]]:
    found = _URI.fullmatch(uri)
    if found is None:
        return set()
    prefix = f"{found[3].strip('/')}/"
    rows = view.reader.all(
        "SELECT name, size, headers FROM blobs WHERE account = ? AND container = ? AND substr(name, 1, ?) = ?",
        (found[1].lower(), found[2], len(prefix), prefix),
    )
    return {
        (row["name"][len(prefix) :], row["size"], json.loads(row["headers"]).get("content-md5", "")) for row in rows
    }
