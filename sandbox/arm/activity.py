"""The activity log: who changed what, when, and with which result. Reads are not in it, refused changes are.

A change that goes on after its answer has two lines: one when it was accepted, one when it ended.
"""

import http
import json
import re
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox import clock
from sandbox.arm import ids
from sandbox.arm.errors import ArmError
from sandbox.constants import TENANT_ID
from sandbox.store.db import DiskFullError, Reader, Store, Tx

STATES = ("Accepted", "Succeeded", "Failed")
PAGE = 200
_CALLED = """(called = ? COLLATE NOCASE OR caller = ? OR caller IN
    (SELECT object_id FROM principals WHERE client_id = ? COLLATE NOCASE OR name = ? COLLATE NOCASE))"""
_CLAUSE = re.compile(r"\s*(\w+)\s+(eq|ge|le)\s+('(?:[^']|'')*'|[^\s']+)\s*")
_MESSAGE = 4096  # of an error's message
_OWN_ID = 128  # of an id that the client gives its request
_EPOCH = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Asked:
    """The request that a change is made for.

    Attributes:
        correlation: what its events share, and its answer says.
        method: of HTTP.
        request: the client's own id of it.
    """

    correlation: str
    method: str
    request: str

    @classmethod
    def of(cls, own: str, headers: Mapping[str, str], method: str) -> "Asked":
        """The request with an id of its own, unless its headers have one."""
        correlation, request = (
            headers.get(f"x-ms-{name}-id", "")[:_OWN_ID] for name in ("correlation-request", "client-request")
        )
        return cls(correlation or own, method, request)


asking: ContextVar[Asked | None] = ContextVar("asking", default=None)


def record(
    tx: Tx, caller: str, action: str, resource: str, status: int, *,
    asked: Asked | None = None, state: str = "", error: ArmError | None = None,
) -> None:  # fmt: skip
    """Write a line in the transaction of what it is about.

    Args:
        tx: the transaction.
        caller: object id.
        action: what a role covers, such as ``Microsoft.Storage/storageAccounts/write``.
        resource: its id.
        status: HTTP status.
        asked: the request.
        state: one of STATES; by the status where it is absent.
        error: why it failed.
    """
    asked = asked or Asked(clock.new_id(), "", "")
    who = tx.one("SELECT name, client_id FROM principals WHERE object_id = ?", (caller,))
    said: dict[str, Any] = {
        "resource": resource, "method": asked.method, "request": asked.request,
        "client": who["client_id"] if who else "",
    }  # fmt: skip
    if error:
        said["error"] = {"code": error.code, "message": error.message[:_MESSAGE]}
    tx.run(
        "INSERT INTO activity (at, caller, action, key, status, correlation, state, called, said) "
        "VALUES (?,?,?,?,?,?,?,?,?)",
        (clock.timestamp(), caller, action, resource.lower(), status, asked.correlation,
         state or ("Failed" if status >= 400 else "Succeeded"), who["name"] if who else caller, json.dumps(said)),
    )  # fmt: skip


def end(tx: Tx, key: str, action: str, status: int, error: ArmError | None) -> None:
    """Write how an accepted change ended, on behalf of whoever asked for it."""
    row = tx.one("SELECT * FROM activity WHERE key = ? AND action = ? ORDER BY id DESC LIMIT 1", (key, action))
    if row is None:
        return
    said = json.loads(row["said"])
    asked = Asked(row["correlation"], str(said.get("method", "")), str(said.get("request", "")))
    record(tx, row["caller"], action, str(said.get("resource", key)), status, asked=asked, error=error)


async def note(store: Store, caller: str, action: str, resource: str, error: ArmError | None = None) -> None:
    """Write the line of an action, or of what was refused. On a full disk it is missing: the answer is the same."""
    asked = asking.get()
    status = error.status if error else 200

    def write(tx: Tx) -> None:
        record(tx, caller, action, resource, status, asked=asked, error=error)

    try:
        await store.write(write)
    except DiskFullError:
        return


@dataclass(frozen=True)
class Filter:
    """Which lines are asked for; '' for any.

    Attributes:
        since: not before, as the log writes it.
        until: not after.
        group: name of a resource group; whoever asks looks below that.
        resource: id.
        named: a resource's name, or an id that encloses it.
        provider: namespace.
        correlation: of a request.
        caller: name, user principal name, object id or client id.
        state: one of STATES.
    """

    since: str = ""
    until: str = ""
    group: str = ""
    resource: str = ""
    named: str = ""
    provider: str = ""
    correlation: str = ""
    caller: str = ""
    state: str = ""

    def conditions(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Clauses of SQL with their values."""
        if self.since:
            yield "at >= ?", (self.since,)
        if self.until:
            yield "at <= ?", (self.until,)
        if self.resource:
            yield "key = ?", (self.resource.lower().rstrip("/"),)
        if self.named:
            pattern = f"{'' if self.named.startswith('/') else '%/'}{_like(self.named.rstrip('/'))}/%"
            yield "(key || '/') LIKE ? ESCAPE '!'", (pattern,)
        if self.provider:
            yield "action LIKE ? ESCAPE '!'", (f"{_like(self.provider)}/%",)
        if self.correlation:
            yield "correlation = ?", (self.correlation,)
        if self.caller:
            yield _CALLED, (self.caller,) * 4
        if self.state:
            yield "state = ?", (self.state,)


_FIELDS = {
    "resourcegroupname": "group", "resourceuri": "resource", "resourceid": "resource", "resourceprovider": "provider",
    "correlationid": "correlation", "caller": "caller", "status": "state",
}  # fmt: skip


def read_filter(text: str) -> Filter:
    """The filter of a request.

    Raises:
        ArmError: 400 for one without a beginning, or with what the log cannot be asked for.
    """
    found: dict[str, str] = {}
    for clause in re.split(r"\s+and\s+(?=\w+\s+(?:eq|ge|le)\s)", text) if text.strip() else ():
        match = _CLAUSE.fullmatch(clause)
        name, how = (match[1].lower(), match[2]) if match else ("", "")
        value = match[3].strip("'").replace("''", "'") if match else ""
        if name == "eventtimestamp" and how in ("ge", "le"):
            found["since" if how == "ge" else "until"] = moment(value)
        elif name in _FIELDS and how == "eq":
            found[_FIELDS[name]] = value
        elif (name, how) != ("eventchannels", "eq"):
            raise _bad_filter(
                f"'{clause.strip()}' of the filter is none of: eventTimestamp ge|le, "
                f"{', '.join(f'{field} eq' for field in sorted(_FIELDS))}"
            )
    if "since" not in found:
        raise _bad_filter("the filter must have at least eventTimestamp ge 'TIME'")
    return Filter(**found)


def moment(text: str) -> str:
    """A time as the log writes it.

    Raises:
        ArmError: 400.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise _bad_filter(f"'{text}' is no time such as 2026-11-21T07:00:00Z") from error
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def lines(reader: Reader, wanted: Filter, below: str = "", before: int = 0, most: int = 0) -> list[sqlite3.Row]:
    """Lines of the log, the newest first.

    Args:
        reader: the state.
        wanted: which.
        below: id of a scope that they are in.
        before: number of a line that they come before; 0 for none.
        most: how many; 0 for all.
    """
    conditions = list(wanted.conditions())
    if below:
        conditions.append(("(key || '/') LIKE ? ESCAPE '!'", (f"{_like(below)}/%",)))
    if before:
        conditions.append(("id < ?", (str(before),)))
    where = " AND ".join(sql for sql, _ in conditions) or "1"
    values = tuple(value for _, values in conditions for value in values)
    return reader.all(
        f"SELECT * FROM activity WHERE {where} ORDER BY id DESC LIMIT ?",  # noqa: S608 - clauses of this module
        (*values, most or -1),
    )


def event(row: sqlite3.Row) -> dict[str, Any]:
    """A line as Azure shows it: ``EventData`` of Microsoft.Insights 2015-04-01."""
    said = json.loads(row["said"])
    resource = str(said.get("resource", row["key"]))
    where, status = ids.parse(resource), http.HTTPStatus(row["status"])
    code = status.phrase.replace(" ", "").replace("-", "")
    client = str(said.get("client", ""))
    name = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{row['correlation']} {row['id']}"))
    properties = {"statusCode": code, "entity": resource}
    if error := said.get("error"):
        properties["statusMessage"] = json.dumps({"error": error})
    level = "Error" if row["state"] == "Failed" else "Informational"
    return {
        "authorization": {"action": row["action"], "scope": resource},
        "caller": client if "@" in client else row["caller"],
        "channels": "Operation",
        "claims": {
            "http://schemas.microsoft.com/identity/claims/objectidentifier": row["caller"],
            "http://schemas.microsoft.com/identity/claims/tenantid": TENANT_ID,
            "name": row["called"],
            "upn" if "@" in client else "appid": client,
        },
        "correlationId": row["correlation"],
        "description": "",
        "eventDataId": name,
        "eventName": {"value": "EndRequest", "localizedValue": "End request"},
        "category": _words("Administrative"),
        "httpRequest": {
            "clientRequestId": said.get("request", ""), "clientIpAddress": "127.0.0.1",
            "method": said.get("method", ""),
        },
        "id": f"{resource}/events/{name}/ticks/{_ticks(row['at'])}",
        "level": level,
        "resourceGroupName": where.group,
        "resourceProviderName": _words(row["action"].partition("/")[0]),
        "resourceId": resource,
        "resourceType": _words(where.type),
        "operationId": row["correlation"],
        "operationName": _words(row["action"]),
        "properties": properties,
        "status": _words(row["state"]),
        "subStatus": {"value": code, "localizedValue": f"{status.phrase} (HTTP Status Code: {status.value})"},
        "eventTimestamp": row["at"],
        "submissionTimestamp": row["at"],
        "subscriptionId": where.subscription,
        "tenantId": TENANT_ID,
    }  # fmt: skip


def _ticks(at: str) -> int:
    """A time as .NET counts it, of which an event's id is made."""
    since = datetime.fromisoformat(at) - _EPOCH
    return (since.days * 86400 + since.seconds) * 10**7 + since.microseconds * 10


def selected(shown: dict[str, Any], names: str) -> Mapping[str, Any]:
    """What ``$select`` leaves of an event."""
    wanted = {name.strip().lower() for name in names.split(",") if name.strip()}
    return {key: value for key, value in shown.items() if key.lower() in wanted} if wanted else shown


def _words(value: str) -> dict[str, str]:
    return {"value": value, "localizedValue": value}


def _like(text: str) -> str:
    """Text as a pattern that stands for itself; letters compare without case."""
    return re.sub(r"([!%_])", r"!\1", text)


def _bad_filter(why: str) -> ArmError:
    return ArmError(400, "BadRequest", f"{why[0].upper()}{why[1:]}.")
