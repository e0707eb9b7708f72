"""What is signed, and how far a signature reaches. Sources: learn.microsoft.com, "create-user-delegation-sas",
"create-service-sas", "create-account-sas", "authorize-with-shared-key".
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from functools import lru_cache

from sandbox.arm.errors import ArmError
from sandbox.arm.keys import derive_text
from sandbox.arm.resource import View
from sandbox.gateway.http import Request
from sandbox.planes.blob_target import Reached

OLDEST = "2020-12-06"
LIST = "l"
UNSUPPORTED = frozenset({"si", "skdutid", "sduoid", "srh", "srq", "sip", "ses"})
_DELEGATED = "2025-07-05"  # from here on the tenant and object of a delegated user are signed
_REQUEST = "2026-04-06"  # from here on headers and query parameters of the request may be signed
_KEY = ("skoid", "sktid", "skt", "ske", "sks", "skv")
_SHOWN = {
    "rscc": "cache-control", "rscd": "content-disposition", "rsce": "content-encoding", "rscl": "content-language",
    "rsct": "content-type",
}  # fmt: skip
PARAMETERS = (
    "sig", "sv", "ss", "srt", "sr", "sp", "st", "se", "spr", "sdd", "saoid", "suoid", "scid", *_KEY, *_SHOWN,
    *UNSUPPORTED,
)  # fmt: skip
_STANDARD = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip


def sign(key: str, text: str) -> str:
    """The signature of a text, in base64."""
    return base64.b64encode(hmac.digest(_bytes(key), text.encode(), hashlib.sha256)).decode()


@lru_cache(maxsize=256)
def _bytes(key: str) -> bytes:
    return base64.b64decode(key)


def delegation_key(view: View, account: str, created: str, query: Mapping[str, str]) -> str:
    """The key that a user was given for a time: the same words give the same key, so none is kept.

    Args:
        view: where it is derived from.
        account: the account's name.
        created: when it was made: one that takes a deleted one's name has other keys.
        query: who, and for how long.
    """
    words = (query.get(name, "") for name in _KEY)
    return derive_text(view.reader, "user delegation", account, created, *words, size=32)


def user_delegation(query: Mapping[str, str], account: str, container: str, blob: str = "") -> str:
    """What a user delegation key signs."""
    version = query["sv"]
    return _lines(
        query, "sp", "st", "se", _resource(query, account, container, blob), *_KEY, "saoid", "suoid", "scid",
        *(("skdutid", "sduoid") if version >= _DELEGATED else ()), "sip", "spr", "sv", "sr", "snapshot", "ses",
        *(("srh", "srq") if version >= _REQUEST else ()), *_SHOWN,
    )  # fmt: skip


def service(query: Mapping[str, str], account: str, container: str, blob: str = "") -> str:
    """What an account key signs for one container or blob."""
    path = _resource(query, account, container, blob)
    return _lines(query, "sp", "st", "se", path, "si", "sip", "spr", "sv", "sr", "snapshot", "ses", *_SHOWN)


def account(query: Mapping[str, str], target: Reached) -> str:
    """What an account key signs for whole services."""
    return _lines(query, f"={target.account.name}", "sp", "ss", "srt", "st", "se", "sip", "spr", "sv", "ses") + "\n"


def shared_key(request: Request, name: str) -> str:
    """What an account key signs of a request."""
    headers = dict(request.headers)
    if headers.get("content-length") == "0":
        del headers["content-length"]
    own = [key for key in headers if key.startswith("x-ms-")]
    own.sort(key=lambda key: (key.replace("-", ""), key))  # the service looks past hyphens first
    query = sorted((key.lower(), value) for key, value in request.query.items())
    return "\n".join([
        request.method,
        *(headers.get(key, "") for key in _STANDARD),
        *(f"{key}:{headers[key].strip()}" for key in own),
        f"/{name}{request.raw_path}" + "".join(f"\n{key}:{value}" for key, value in query),
    ])  # fmt: skip


def shown(query: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer that whoever signed wants instead of those of the blob."""
    return {header: query[name] for name, header in _SHOWN.items() if query.get(name)}


def check_reach(query: Mapping[str, str], target: Reached, letters: str) -> None:
    """Refuse where a signature does not reach.

    Args:
        query: the signature.
        target: what is asked for.
        letters: the permissions that open it. Of a container, only an account's signature opens more than its list.

    Raises:
        ArmError: 403, with the code of what does not fit.
    """
    if "ss" in query:
        if "b" not in query["ss"]:
            raise _out_of_reach("AuthorizationServiceMismatch", f"ss '{query['ss']}' has no b for blobs")
        letter = {"service": "s", "container": "c", "blob": "o"}[target.level]
        if letter not in query.get("srt", ""):
            raise _out_of_reach(
                "AuthorizationResourceTypeMismatch",
                f"srt '{query.get('srt', '')}' has no {letter} for a {target.level}",
            )
    elif target.level == "service" or (target.level == "container" and query.get("sr") != "c"):
        raise _out_of_reach(
            "AuthorizationResourceTypeMismatch", f"sr '{query.get('sr', '')}' does not reach a {target.level}"
        )
    elif target.level == "container" and letters != LIST:
        raise _out_of_reach(
            "AuthorizationPermissionMismatch", "only the signature of an account opens a container for more than a list"
        )


def _resource(query: Mapping[str, str], account: str, container: str, blob: str) -> str:
    """The signed path, spelled for :func:`_lines`."""
    path = f"=/blob/{account}/{container}"
    if query.get("sr") == "c":
        return path
    if query.get("sr") == "d":
        depth = int(query["sdd"]) if query.get("sdd", "").isdigit() else 0
        return "/".join([path, *blob.split("/")[:depth]])
    return f"{path}/{blob}"


def _lines(query: Mapping[str, str], *names: str) -> str:
    """The named values, one a line; a name that begins with = stands for itself."""
    return "\n".join(name[1:] if name.startswith("=") else query.get(name, "") for name in names)


def _out_of_reach(code: str, why: str) -> ArmError:
    return ArmError(403, code, f"This request is not authorized to perform this operation: {why}.")
