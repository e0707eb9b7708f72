"""The neutral record that every kind's resources are, and how rules see them."""

import copy
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from sandbox import clock
from sandbox.arm import ids
from sandbox.arm.activity import Asked
from sandbox.arm.errors import ArmError, not_found
from sandbox.arm.ids import ResourceId
from sandbox.arm.sealing import closed, opened
from sandbox.store.db import Reader, Tx

if TYPE_CHECKING:
    from sandbox.arm.registry import Registry

_MISSING: Any = object()
_PART = 100  # rows that are read at once
Order = Literal["name", "newest", "oldest"]
_ORDERS: Mapping[Order, str] = {"name": "key", "newest": "created DESC, key DESC", "oldest": "created, key"}


@dataclass
class Resource:
    """One resource of any kind.

    Attributes:
        id: where it stands.
        body: what was sent, with defaults and what Azure keeps.
        state: provisioning state.
        generation: counts accepted writes.
    """

    id: ResourceId
    body: dict[str, Any]
    state: str = "Succeeded"
    etag: str = ""
    generation: int = 0
    created: str = ""
    modified: str = ""
    author: str = ""

    @property
    def name(self) -> str:
        """The last name of the id."""
        return self.id.name

    @property
    def properties(self) -> dict[str, Any]:
        """The body's ``properties``, made if they are absent."""
        found: dict[str, Any] = self.body.setdefault("properties", {})
        return found

    def get(self, path: str, default: Any = None) -> Any:
        """The value at a dotted path, or `default` where it is absent or null."""
        value = look(self.body, path)
        return default if value is _MISSING or value is None else value

    def __getitem__(self, path: str) -> Any:
        value = look(self.body, path)
        if value is _MISSING:
            raise KeyError(path)
        return value


def look(body: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, or a marker when it is not there."""
    here: Any = body
    for step in path.split("."):
        if not isinstance(here, Mapping) or step not in here:
            return _MISSING
        here = here[step]
    return here


def present(body: Mapping[str, Any], path: str) -> bool:
    """Whether the dotted path is in the body, null included."""
    return look(body, path) is not _MISSING


def place(body: dict[str, Any], path: str, value: object) -> None:
    """Set the value at a dotted path, making what encloses it."""
    *above, last = path.split(".")
    for step in above:
        body = body.setdefault(step, {})
    body[last] = value


def drop(body: dict[str, Any], path: str) -> None:
    """Take the value at a dotted path out, if it is there."""
    *above, last = path.split(".")
    for step in above:
        if not isinstance(body := body.get(step, {}), dict):
            return
    body.pop(last, None)


def merge(into: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """JSON merge patch (RFC 7386): null removes. Returns `into`."""
    for key, value in other.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, Mapping):
            here = into.get(key)
            into[key] = merge(dict(here) if isinstance(here, Mapping) else {}, value)
        else:
            into[key] = value
    return into


def overlay(into: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Merge that keeps nulls; for computed outputs. Returns `into`."""
    for key, value in other.items():
        here = into.get(key)
        into[key] = overlay(here, value) if isinstance(value, Mapping) and isinstance(here, dict) else value
    return into


def from_row(row: sqlite3.Row | Mapping[str, Any]) -> Resource:
    """A stored row as a resource; what is sealed in it stays so."""
    return Resource(
        ids.parse(row["id"]), json.loads(row["body"]), row["state"], row["etag"], row["generation"],
        row["created"], row["modified"], row["author"],
    )  # fmt: skip


@dataclass(frozen=True)
class Listing:
    """What a collection holds, in order, of which no more is read than somebody wants to see.

    Attributes:
        part: those from a place on, at most so many, whether shown or not.
        shows: whether one of them is shown.
    """

    part: Callable[[int, int], Sequence[Resource]]
    shows: Callable[[Resource], bool] = lambda _: True

    def __iter__(self) -> Iterator[Resource]:
        start = 0
        while part := self.part(start, _PART):
            yield from filter(self.shows, part)
            start += len(part)

    def where(self, shows: Callable[[Resource], bool]) -> "Listing":
        """Only those of them that `shows` is true of."""
        before = self.shows
        return replace(self, shows=lambda me: before(me) and shows(me))

    def page(self, start: int, most: int, look_at: int) -> tuple[list[Resource], int]:
        """Those shown from a place on, and the place where the next page starts, 0 after the last.

        A page ends with `most` shown or `look_at` looked at, so it may be short with others to follow.
        """
        found: list[Resource] = []
        place = start
        while part := self.part(place, min(_PART, start + look_at - place)):
            for me in part:
                if len(found) == most:
                    return found, place
                place += 1
                if self.shows(me):
                    found.append(me)
        return found, place if self.part(place, 1) else 0


def whole(found: Sequence[Resource]) -> Listing:
    """A listing of what is at hand."""
    return Listing(lambda start, count: found[start : start + count])


class View:
    """What a rule may ask about the rest of the subscription.

    Attributes:
        caller: object id of who asks; '' for the sandbox itself.
    """

    caller = ""

    def __init__(self, reader: Reader, registry: "Registry") -> None:
        self.reader = reader
        self.registry = registry

    def get(self, resource_id: str) -> Resource | None:
        """The resource with this id, or None."""
        row = self.reader.one("SELECT * FROM resources WHERE key = ?", (resource_id.strip().lower().rstrip("/"),))
        return self.open(row) if row else None

    def open(self, row: sqlite3.Row | Mapping[str, Any]) -> Resource:
        """A stored row as the resource that was saved."""
        me = from_row(row)
        kind = self.registry.get(me.id.kind)
        if kind and kind.sealed:
            opened(me.body, kind.sealed, me.id.key, self.reader)
        return me

    def need(self, resource_id: str) -> Resource:
        """The resource with this id.

        Raises:
            ArmError: 404 ResourceNotFound.
        """
        if found := self.get(resource_id):
            return found
        where = ids.parse(resource_id)
        raise not_found(where.type, where.name, where.group)

    def parent(self, me: Resource) -> Resource:
        """The resource that encloses `me`."""
        return self.need(me.id.parent)

    def children(self, parent_id: str, kind: str) -> list[Resource]:
        """Resources of one kind directly below an id, by name."""
        rows = self.reader.all(
            "SELECT * FROM resources WHERE parent = ? AND kind = ? ORDER BY key",
            (parent_id.lower(), kind.lower()),
        )
        return [self.open(row) for row in rows]

    def under(self, resource_id: str) -> list[Resource]:
        """Everything below an id, at any depth, deepest first."""
        rows = self.reader.all(
            "SELECT * FROM resources WHERE key > ? AND key < ? ORDER BY length(key) DESC", _below(resource_id)
        )
        return [self.open(row) for row in rows]

    def kinds_under(self, resource_id: str) -> list[str]:
        """The types of everything below an id, in lower case."""
        rows = self.reader.all("SELECT DISTINCT kind FROM resources WHERE key > ? AND key < ?", _below(resource_id))
        return [row["kind"] for row in rows]

    def of_kind(self, kind: str, scope: str = "") -> Listing:
        """Every resource of a kind, wherever it stands below `scope`."""
        return self._stored("kind = ? AND key > ? AND key < ?", (kind.lower(), *_below(scope)), "name")

    def awake(self, kind: str) -> list[Resource]:
        """Resources of a kind of which something runs, or is still to run."""
        rows = self.reader.all("SELECT * FROM resources WHERE kind = ? AND resting = 0 ORDER BY key", (kind.lower(),))
        return [self.open(row) for row in rows]

    def listing(self, scope: str, kind: str, order: Order = "name") -> Listing:
        """What a collection shows: children of a resource, or everything of the kind below a group or subscription."""
        above = self.get(scope) if scope else None
        if above is not None and kind.lower().startswith(above.id.kind + "/"):
            where, values = "parent = ? AND kind = ?", (scope.lower(), kind.lower())
            return self._stored(f"{where} AND key > ? AND key < ?", (*values, *_below(scope)), order)
        return self._stored("kind = ? AND key > ? AND key < ?", (kind.lower(), *_below(scope)), order)

    def tracked(self, scope: str) -> Listing:
        """Resources with a location that stand in a group, or in any group of a subscription, and in no other."""
        groups = "SELECT key FROM resources WHERE parent = ? AND kind = 'microsoft.resources/resourcegroups'"
        found = self._stored(f"(parent = ? OR parent IN ({groups}))", (scope.lower(), scope.lower()), "name")
        return found.where(
            lambda me: me.id.kind.count("/") == 1 and bool(me.body.get("location")) and bool(me.id.group)
        )

    def users(self, *targets: str) -> list[str]:
        """Ids of what needs something that is referred to in these ways."""
        marks = ",".join("?" * len(targets))
        rows = self.reader.all(
            f"SELECT id FROM resources WHERE key IN (SELECT user FROM uses WHERE target IN ({marks})) ORDER BY key",  # noqa: S608 - marks only
            [target.lower() for target in targets],
        )
        return [row["id"] for row in rows]

    def _stored(self, where: str, values: Sequence[str], order: Order) -> Listing:
        def part(start: int, count: int) -> Sequence[Resource]:
            # The rows before the place are counted in an index, not read.
            keys = f"SELECT key FROM resources WHERE {where} ORDER BY {_ORDERS[order]} LIMIT ? OFFSET ?"  # noqa: S608 - constants
            rows = self.reader.all(
                f"SELECT * FROM resources WHERE key IN ({keys}) ORDER BY {_ORDERS[order]}",  # noqa: S608 - constants
                (*values, count, start),
            )
            return [self.open(row) for row in rows]

        return Listing(part)

    def need_free(self, unique: str, me: Resource) -> str:
        """The scope in which a resource's Azure-wide name is nobody else's.

        Raises:
            ArmError: 409 when another resource, live or soft-deleted, has it.
        """
        scope = unique.format(location=me.get("location", ""))
        row = self.reader.one("SELECT key FROM names WHERE scope = ? AND name = ?", (scope, me.name.lower()))
        if row and row["key"] != me.id.key:
            code = self.registry.need(me.id).name.taken
            raise ArmError(409, code, f"The name '{me.name}' for {me.id.type} is already taken in {scope}.")
        return scope

    def named(self, scope: str, name: str) -> Resource | None:
        """The live resource that holds a name in an Azure-wide scope, such as ('storage', 'stmlops')."""
        row = self.reader.one("SELECT key FROM names WHERE scope = ? AND name = ?", (scope, name.lower()))
        return self.get(row["key"]) if row else None


def _below(scope: str) -> tuple[str, str]:
    """Between which two keys everything below a scope is."""
    key = scope.lower()
    return f"{key}/", f"{key}0"


def show(me: Resource, view: View) -> dict[str, Any]:
    """The JSON that a read answers."""
    kind = view.registry.need(me.id)
    body = copy.deepcopy(me.body)
    for path in kind.hidden:
        drop(body, path)
    if kind.provisioning:
        place(body, "properties.provisioningState", me.state)
    overlay(body, kind.outputs(me, view))
    if kind.system_data:
        body["systemData"] = {
            "createdAt": me.created, "createdBy": me.author, "createdByType": "Application",
            "lastModifiedAt": me.modified, "lastModifiedBy": me.author, "lastModifiedByType": "Application",
            **me.get("systemData", {}),
        }  # fmt: skip
    return {"id": me.id.text, "name": me.name, "type": kind.arm_type, **body}


@dataclass
class Change(View):
    """A view that may write: one transaction of one request."""

    tx: Tx = field()
    caller: str = ""
    asked: Asked | None = None

    def __init__(self, tx: Tx, registry: "Registry", caller: str, asked: Asked | None = None) -> None:
        super().__init__(tx, registry)
        tx.resources = True
        self.tx = tx
        self.caller = caller
        self.asked = asked

    def save(self, me: Resource) -> None:
        """Write the resource as it stands, with a new ETag and generation."""
        me.modified = clock.timestamp()
        me.created = me.created or me.modified
        me.author = me.author or self.caller
        me.generation += 1
        me.etag = f'"{clock.new_id()}"'
        kind = self.registry.need(me.id)
        body, rests = closed(me.body, kind.sealed, me.id.key, self.tx), kind.rests(me)
        self.tx.run(
            "INSERT OR REPLACE INTO resources VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (me.id.key, me.id.text, me.id.kind, me.id.parent.lower(), me.name, json.dumps(body), me.state,
             me.etag, me.generation, me.created, me.modified, me.author, rests),
        )  # fmt: skip
        self.tx.run("DELETE FROM uses WHERE user = ?", (me.id.key,))
        for target in () if rests else kind.uses(me):
            self.tx.run("INSERT INTO uses VALUES (?,?)", (target, me.id.key))

    def make(self, resource_id: str, body: dict[str, Any]) -> Resource:
        """Create a resource that Azure makes by itself; an existing one is left alone."""
        if found := self.get(resource_id):
            return found
        me = Resource(ids.parse(resource_id), body)
        kind = self.registry.need(me.id)
        for path, value in kind.defaults.items():
            if not present(me.body, path):
                place(me.body, path, copy.deepcopy(value))
        kind.fill(me, None, self)
        self.claim(kind.name.unique, me)
        self.save(me)
        kind.stored(me, None, self)
        return me

    def erase(self, me: Resource) -> None:
        """Remove the row, the names it holds and the principals of its identities."""
        self.registry.need(me.id).removed(me, self)
        self.tx.run("DELETE FROM principals WHERE resource = ?", (me.id.key,))
        self.tx.run("DELETE FROM resources WHERE key = ?", (me.id.key,))
        self.tx.run("DELETE FROM uses WHERE user = ?", (me.id.key,))
        self.tx.run("DELETE FROM names WHERE key = ?", (me.id.key,))

    def claim(self, unique: str, me: Resource) -> None:
        """Take an Azure-wide name.

        Raises:
            ArmError: 409 when another resource, live or soft-deleted, has it.
        """
        if not unique:
            return
        scope = self.need_free(unique, me)
        self.tx.run("INSERT OR REPLACE INTO names VALUES (?,?,?)", (scope, me.name.lower(), me.id.key))
