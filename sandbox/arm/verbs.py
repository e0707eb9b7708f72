"""PUT, PATCH, DELETE, POST and reads, once for every kind. Rules run inside the transaction, slow work after it."""

import copy
import inspect
import json
from collections.abc import Mapping
from typing import Any

from sandbox import clock
from sandbox.arm import ids
from sandbox.arm.azure import Azure
from sandbox.arm.errors import ArmError, not_found, parent_not_found
from sandbox.arm.ids import ResourceId
from sandbox.arm.kind import Kind
from sandbox.arm.operations import Operations, erase_tree, purge, state_during
from sandbox.arm.resource import Change, Resource, View, drop, from_row, look, merge, overlay, place, present
from sandbox.arm.schema import Schema
from sandbox.constants import TENANT_ID

Body = dict[str, Any]


class Verbs:
    """What ARM does with a resource of any kind."""

    def __init__(self, azure: Azure, operations: Operations) -> None:
        self._azure = azure
        self._operations = operations

    def show(self, me: Resource, view: View) -> Body:
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
            }  # fmt: skip
        return {"id": me.id.text, "name": me.name, "type": kind.arm_type, **body}

    async def get(self, where: ResourceId) -> Resource:
        """Read one.

        Raises:
            ArmError: 404.
        """
        kind = self._azure.registry.need(where)
        _need_group(where, self._azure)
        if (me := kind.find(where, self._azure)) is None:
            raise not_found(where.type, where.name, where.group)
        await self._operations.seen(me.id.key)
        return me

    async def put(
        self,
        where: ResourceId,
        body: Body,
        caller: str,
        *,
        patch: bool = False,
        conditions: dict[str, str] | None = None,
    ) -> tuple[Resource, bool, str]:
        """Create or update; returns the resource, whether it is new, and the operation's id or ''."""
        kind = self._azure.registry.need(where)

        def write(change: Change) -> tuple[Resource, bool, str]:
            old = change.get(where.text)
            _conditions(old, conditions or {})
            if patch and old is None:
                raise not_found(where.type, where.name, where.group)
            new = accept(kind, where, body, old, change, patch=patch)
            operation = ""
            lingers = kind.works() or (kind.lro and self._operations.pace() != "now")
            verb = "update" if old else "create"
            new.state = state_during(verb) if lingers else "Succeeded"
            change.save(new)
            kind.stored(new, old, change)
            if lingers:
                operation = self._operations.record(change, new, verb)
            log_activity(change, f"{kind.arm_type}/write", new.id.key, 200 if old else 201)
            return new, old is None, operation

        result = await self._azure.change(caller, write)
        if result[2]:
            self._operations.launch(result[2])
        return result

    async def delete(
        self,
        where: ResourceId,
        caller: str,
        conditions: dict[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> tuple[bool, str]:
        """Delete with all below; returns whether there was one, and the operation's id or ''."""
        kind = self._azure.registry.need(where)
        rule = kind.soft_delete
        purging = rule is not None and (query or {}).get(rule.purge, "").lower() == "true"
        verb = "purge" if purging else "delete"

        def write(change: Change) -> tuple[bool, str]:
            me = change.get(where.text)
            if me is None:
                _need_group(where, change)
                return purging and purge(change, where.text), ""
            _conditions(me, conditions or {})
            kind.check_delete(me, change)
            log_activity(change, f"{kind.arm_type}/delete", me.id.key, 200)
            kinds = [kind, *(change.registry.need(below.id) for below in change.under(me.id.text))]
            slow = any(type(each).remove is not Kind.remove for each in kinds)
            if not slow and not (kind.lro and self._operations.pace() != "now"):
                erase_tree(change, me)
                if purging:
                    purge(change, me.id.text)
                return True, ""
            me.state = state_during(verb)
            change.save(me)
            return True, self._operations.record(change, me, verb)

        existed, operation = await self._azure.change(caller, write)
        if operation:
            self._operations.launch(operation)
        return existed, operation

    async def post(self, where: ResourceId, name: str, body: Body, caller: str) -> tuple[Body | list[Any] | None, str]:
        """Run an action that the kind declares; returns its answer and, for a slow one, the operation's id."""
        kind = self._azure.registry.need(where)
        method = kind.actions().get(name.lower())
        if method is None:
            known = ", ".join(sorted(kind.actions())) or "none"
            raise ArmError(
                404, "InvalidResourceAction", f"'{name}' is no action of {kind.arm_type}; the sandbox has: {known}."
            )
        if method.arm_absent and kind.find(where, self._azure) is None:  # type: ignore[attr-defined]
            self._azure.need(where.parent.rsplit("/", 2)[0])
            me = Resource(where, {})
        else:
            me = await self.get(where)
        if method.arm_slow:  # type: ignore[attr-defined]
            verb = method.arm_action  # type: ignore[attr-defined]
            operation = await self._azure.change(caller, lambda change: self._operations.record(change, me, verb))
            self._operations.launch(operation)
            return None, operation
        answer = method(me, body, self._azure)
        return (await answer if inspect.isawaitable(answer) else answer), ""


def accept(kind: Kind, where: ResourceId, body: Body, old: Resource | None, change: Change, *, patch: bool) -> Resource:
    """The resource that a PUT or PATCH asks for, after every rule that is the same for all kinds and the kind's own.

    Raises:
        ArmError: the first rule that it breaks.
    """
    body = _readable(body)
    for path in ("id", "name", "type", "systemData", "etag", "properties.provisioningState"):
        drop(body, path)
    whole = merge(copy.deepcopy(old.body), body) if patch and old else body
    _shape(kind, where, body, whole, change.registry.schema)
    if patch and old:
        body = merge(copy.deepcopy(old.body), body)
    if old is None:
        old = _admit(kind, Resource(where, body), change)
    new = (
        Resource(old.id, body, generation=old.generation, created=old.created, author=old.author)
        if old
        else Resource(where, body)
    )
    for path, value in kind.defaults.items():
        if not present(body, path):
            place(body, path, copy.deepcopy(value))
    _location(kind, new, old)
    _identity(new, old, change)
    kind.fill(new, old, change)
    _refs(kind, new, change)
    if old:
        _unchanged(kind, new, old)
    change.claim(kind.name.unique, new)
    kind.check(new, old, change)
    return new


def check_name(namespace: str, body: Body, view: View) -> Body:
    """What ``POST .../checkNameAvailability`` answers for any kind whose name is Azure-wide.

    Raises:
        ArmError: 400 for a type that the namespace does not have or whose names are not Azure-wide.
    """
    arm_type, name = str(body.get("type", "")), str(body.get("name", ""))
    kind = view.registry.get(arm_type)
    if kind is None or not kind.name.unique or arm_type.split("/")[0].lower() != namespace.lower():
        raise ArmError(
            400, "InvalidResourceType", f"type is '{arm_type}': no type of {namespace} with Azure-wide names."
        )
    try:
        kind.name.check(kind.arm_type, name)
    except ArmError as refusal:
        return {"nameAvailable": False, "reason": refusal.code, "message": refusal.message}
    row = view.reader.one("SELECT 1 FROM names WHERE scope = ? AND name = ?", (kind.name.unique, name.lower()))
    if row:
        return {"nameAvailable": False, "reason": "AlreadyExists", "message": f"The name '{name}' is already taken."}
    return {"nameAvailable": True}


def _shape(kind: Kind, where: ResourceId, body: Body, whole: Body, schema: Schema) -> None:
    """Hold the body against the type's own properties; what only Azure sets is left out, as ARM leaves it out.

    Args:
        kind: the type.
        where: the resource.
        body: what was sent.
        whole: what it makes together with what is there; of this, only what was sent is judged.
        schema: the properties of each type.

    Raises:
        ArmError: 400 InvalidRequestContent, with every property that is wrong.
    """
    wrong = []
    for failure in schema.check_body(kind.arm_type, whole):
        if failure.rule == "read-only":
            drop(body, failure.path)
        elif (whole is body or present(body, failure.path.split("[")[0])) and not _extra(kind, failure.path):
            wrong.append(f"{failure.path}: {failure.reason}")
    if wrong:
        raise ArmError(
            400,
            "InvalidRequestContent",
            f"The request content for {kind.arm_type} '{where.name}' was invalid: {'; '.join(wrong)}",
        )


def _extra(kind: Kind, path: str) -> bool:
    return any(path == extra or path.startswith(f"{extra}.") for extra in kind.extra)


def _readable(body: object) -> Body:
    if not isinstance(body, dict):
        raise ArmError(
            400,
            "InvalidRequestContent",
            f"The request body must be a JSON object, not {type(body).__name__}.",
        )
    return copy.deepcopy(body)


def _need_group(where: ResourceId, view: View) -> None:
    if where.group and where.kind.count("/") and not where.kind.endswith("/resourcegroups"):
        group = f"/subscriptions/{where.subscription}/resourceGroups/{where.group}"
        if view.get(group) is None:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{where.group}' could not be found.")


def _admit(kind: Kind, new: Resource, change: Change) -> Resource | None:
    """Let a new resource in; returns what was brought back when it is a soft-deleted one that is recovered."""
    kind.name.check(kind.arm_type, new.name)
    _need_group(new.id, change)
    if new.id.parent and change.get(new.id.parent) is None:
        _make_parent(kind, new, change)
    held = change.tx.one("SELECT * FROM deleted WHERE key = ?", (new.id.key,))
    if held and kind.soft_delete:
        rule = kind.soft_delete
        if rule.recover and str(look(new.body, rule.recover)).lower() == rule.recovered:
            recover(change, held["rows"])
            change.tx.run("DELETE FROM deleted WHERE key = ?", (new.id.key,))
            return change.get(new.id.text)
        raise ArmError(
            409, "ConflictError",
            f"A {kind.arm_type} named '{new.name}' exists in deleted state. Recover it"
            + (f" with {rule.recover}='{rule.recovered}'" if rule.recover else "")
            + ", purge it, or take another name.",
        )  # fmt: skip
    return None


def _make_parent(kind: Kind, new: Resource, change: Change) -> None:
    body = kind.parent_body(new)
    if body is None:
        raise parent_not_found(kind.arm_type, new.id.parent.rsplit("/", 1)[-1])
    where = ids.parse(new.id.parent)
    above = change.registry.need(where)
    parent = accept(above, where, body, None, change, patch=False)
    change.save(parent)
    above.stored(parent, None, change)


def recover(change: Change, rows: str) -> None:
    """Put soft-deleted rows back as they were."""
    for row in json.loads(rows):
        resource = from_row(row)
        change.save(resource)
        change.claim(change.registry.need(resource.id).name.unique, resource)


def _location(kind: Kind, new: Resource, old: Resource | None) -> None:
    if not kind.tracked:
        return
    location = new.body.get("location")
    if not location:
        raise ArmError(400, "LocationRequired", f"The location property is required for {kind.arm_type} '{new.name}'.")
    new.body["location"] = str(location).replace(" ", "").lower()
    if old and old.get("location") != new.body["location"]:
        raise ArmError(
            409, "InvalidResourceLocation",
            f"The resource '{new.name}' already exists in location '{old.get('location')}'; a resource with the same "
            f"name cannot be created in location '{new.body['location']}'.",
        )  # fmt: skip


def _identity(new: Resource, old: Resource | None, change: Change) -> None:
    """Managed identities: a system-assigned one is a principal of its own, user-assigned ones must exist."""
    identity = new.body.get("identity")
    if not isinstance(identity, dict):
        return
    if "systemassigned" in str(identity.get("type", "")).lower().replace(" ", ""):
        before = old.get("identity.principalId") if old else None
        identity["tenantId"] = TENANT_ID
        identity["principalId"] = before or make_principal(change, new, new.name)[0]
    users = identity.get("userAssignedIdentities")
    if isinstance(users, list):  # azure-native sends the ids as a list
        users = dict.fromkeys(users)
    if isinstance(users, dict):
        identity["userAssignedIdentities"] = {
            key: {field: change.need(key)[f"properties.{field}"] for field in ("principalId", "clientId")}
            for key in users
        }


def make_principal(change: Change, of: Resource, name: str) -> tuple[str, str]:
    """Create a principal for a resource's identity; returns its object id and client id."""
    object_id, client_id = clock.new_id(), clock.new_id()
    change.tx.run("INSERT INTO principals VALUES (?,?,?,NULL,?)", (object_id, client_id, name, of.id.key))
    return object_id, client_id


def _refs(kind: Kind, new: Resource, change: Change) -> None:
    for ref in kind.refs:
        target = new.get(ref.path)
        if not isinstance(target, str) or not target.startswith("/"):
            continue
        found = change.get(target)
        if found is None or found.id.kind != ref.kind.lower():
            raise ArmError(
                400, "InvalidResourceReference",
                f"{ref.path} of '{new.name}' refers to '{target}', which does not exist as {ref.kind}.",
            )  # fmt: skip


def _unchanged(kind: Kind, new: Resource, old: Resource) -> None:
    for path in kind.frozen:
        if present(new.body, path) and new.get(path) != old.get(path):
            raise ArmError(
                409, "PropertyChangeNotAllowed",
                f"{path} of {kind.arm_type} '{new.name}' cannot change from {old.get(path)!r} to {new.get(path)!r}.",
            )  # fmt: skip
    if kind.immutable and _essence(new.body) != _essence(old.body):
        raise ArmError(
            409, "ImmutableResource",
            f"{kind.arm_type} '{new.name}' exists and is immutable: give the changed content a new version.",
        )  # fmt: skip


def _essence(body: Body) -> Body:
    """A body without what may change on an immutable version."""
    rest = {key: value for key, value in body.items() if key != "tags"}
    rest["properties"] = {
        key: value
        for key, value in body.get("properties", {}).items()
        if key not in ("tags", "description", "isArchived", "properties", "stage") and value is not None
    }
    return rest


def _conditions(old: Resource | None, conditions: dict[str, str]) -> None:
    wanted, unwanted = conditions.get("if-match"), conditions.get("if-none-match")
    if wanted and (old is None or wanted not in ("*", old.etag)):
        raise ArmError(
            412, "PreconditionFailed", f"If-Match was '{wanted}', the ETag is {old.etag if old else 'none'}."
        )
    if unwanted == "*" and old is not None:
        raise ArmError(412, "PreconditionFailed", "If-None-Match was '*', and the resource exists.")


def log_activity(change: Change, what: str, key: str, status: int) -> None:
    """Write the activity log's line in the same transaction as the change."""
    change.tx.run(
        "INSERT INTO activity (at, caller, action, key, status, correlation) VALUES (?,?,?,?,?,?)",
        (clock.timestamp(), change.caller, what, key, status, clock.new_id()),
    )
