"""What a request to the blob service is about, and what an operation declares."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from sandbox.arm.errors import ArmError
from sandbox.gateway.http import Request, Response
from sandbox.types.storage.container import container_id

if TYPE_CHECKING:
    from sandbox.planes.blob_access import Gate

_LEVELS = ("", "service", "account", "container")
LATEST = "2026-10-06"


@dataclass(frozen=True)
class Account:
    """What the blob service has to know of a storage account.

    Attributes:
        name: its Azure-wide name.
        id: its ARM id.
        created: when it was made.
        keys: both keys when they may sign, else none.
        public: containers may be open to everybody.
    """

    name: str
    id: str
    created: str
    keys: tuple[str, ...]
    public: bool


class Reached(Protocol):
    """What a signature may open: a container or a blob of an account, or the service itself."""

    account: Account
    level: str
    container: str
    blob: str


class Target:
    """What a request is about.

    Attributes:
        request: the request.
        gate: who may do what.
        level: service, container or blob.
        container: '' for the service.
        blob: '' for anything else.
        caller: object id of who asks, once that is known; '' for an account key or nobody.

    Raises:
        ArmError: 400 for a restype that does not fit the path.
    """

    def __init__(self, gate: "Gate", account: Account, request: Request, path: str, query: Mapping[str, str]) -> None:
        self.request = request
        self.gate = gate
        self.azure = gate.azure
        self.blobs = gate.azure.blobs
        self.account = account
        self.caller = ""
        first, _, rest = path[1:].partition("/")
        whole = query.get("restype", "")
        if whole not in _LEVELS or (whole == "container" and rest):
            raise ArmError(
                400, "InvalidQueryParameterValue",
                f"restype is '{whole}' on '{path}': want service or account on '/', container on '/NAME', none on a "
                "blob.",
            )  # fmt: skip
        if whole in ("service", "account") or not first:
            self.level, self.container, self.blob = "service", "", ""
        elif whole == "container":
            self.level, self.container, self.blob = "container", first, ""
        else:
            self.level = "blob"
            self.container, self.blob = (first, rest) if rest else ("$root", first)

    @property
    def where(self) -> tuple[str, str, str]:
        """Account, container and blob, as the store asks for them."""
        return self.account.name, self.container, self.blob

    @property
    def scope(self) -> str:
        """The ARM id whose role assignments count."""
        return container_id(self.account.id, self.container) if self.container else self.account.id


@dataclass(frozen=True)
class Operation:
    """One operation of the blob service.

    Attributes:
        run: does it.
        action: what a role must cover, below ``Microsoft.Storage/storageAccounts/blobServices/``.
        data: it is a data action.
        letters: any of these in the permissions of a shared access signature.
        query: the parameters that it reads, beside those of every operation.
        headers: the conditions and ``x-ms-`` headers that it reads, beside those of every operation; one that ends
            with a hyphen stands for all that begin with it.
    """

    run: Callable[[Target], Awaitable[Response]]
    action: str
    letters: str
    data: bool = True
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def http_date(timestamp: str) -> str:
    """A timestamp as HTTP writes it."""
    return datetime.fromisoformat(timestamp).strftime("%a, %d %b %Y %H:%M:%S GMT")


def read_date(name: str, text: str) -> datetime:
    """A date that a header gives.

    Raises:
        ArmError: 400 InvalidHeaderValue, naming the header.
    """
    try:
        moment = parsedate_to_datetime(text)
    except ValueError as error:
        raise invalid_header(name, text, "a date such as 'Sat, 21 Nov 2026 07:00:00 GMT'") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def page_size(query: Mapping[str, str]) -> int:
    """How many entries of a listing are asked for at once, up to 5000.

    Raises:
        ArmError: 400 OutOfRangeQueryParameterValue.
    """
    limit = query.get("maxresults", "5000")
    if not limit.isdigit() or not int(limit):
        raise ArmError(400, "OutOfRangeQueryParameterValue", f"maxresults is '{limit}': want 1 to 5000.")
    return min(int(limit), 5000)


def invalid_header(name: str, value: str, wanted: str) -> ArmError:
    """400 for a header that cannot be read."""
    return ArmError(400, "InvalidHeaderValue", f"The header {name} is '{value}': want {wanted}.")
