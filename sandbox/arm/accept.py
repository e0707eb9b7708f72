"""What every PUT and PATCH is held against, whatever its kind, and what it then makes of the resource."""

import copy
import json
import re
from typing import Any

from sandbox import clock
from sandbox.arm import access, ids
from sandbox.arm.errors import ArmError, parent_not_found
from sandbox.arm.ids import ResourceId
from sandbox.arm.kind import Kind
from sandbox.arm.operations import going
from sandbox.arm.resource import Change, Resource, View, drop, look, merge, place, present
from sandbox.arm.schema import Schema
from sandbox.constants import TENANT_ID

Body = dict[str, Any]


def accept(kind: Kind, where: ResourceId, body: Body, old: Resource | None, change: Change, *, patch: bool) -> Resource:
    """The resource that a PUT or PATCH asks for, after every rule that is the same for all kinds and the kind's own.

    Raises:
        ArmError: the first rule that it breaks.
    """
    sent = body = readable(body)
    _open_to_clients(kind, where, change)
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
    _identity(kind, new, old, sent, change)
    kind.fill(new, old, change)
    _refs(kind, new, sent, change)
    if old:
        _unchanged(kind, new, old)
    change.claim(kind.name.unique, new)
    kind.check(new, old, change)
    if kind.system_data:
        _sign(new, old, change)
    return new


def _open_to_clients(kind: Kind, where: ResourceId, change: Change) -> None:
    """Refuse what only Azure makes, and what is on its way out with all that is below it."""
    if kind.made_by_azure:
        raise ArmError(405, "MethodNotAllowed", f"{kind.arm_type} '{where.name}' is made by Azure: it is read only.")
    if leaving := going(where, change):
        code = "ResourceGroupBeingDeleted" if leaving.kind.endswith("/resourcegroups") else "ResourceBeingDeleted"
        raise ArmError(
            409, code,
            f"{leaving.type} '{leaving.name}' is being deleted, so '{where.name}' cannot be written; wait until its "
            "deletion has ended.",
        )  # fmt: skip


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


def readable(body: object) -> Body:
    """A copy of a request's body.

    Raises:
        ArmError: 400 InvalidRequestContent for what is no JSON object.
    """
    if not isinstance(body, dict):
        raise ArmError(
            400,
            "InvalidRequestContent",
            f"The request body must be a JSON object, not {type(body).__name__}.",
        )
    return copy.deepcopy(body)


def need_group(where: ResourceId, view: View) -> None:
    """Refuse what stands in a resource group that is not there.

    Raises:
        ArmError: 404 ResourceGroupNotFound.
    """
    if where.group and where.kind.count("/") and not where.kind.endswith("/resourcegroups"):
        group = f"/subscriptions/{where.subscription}/resourceGroups/{where.group}"
        if view.get(group) is None:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{where.group}' could not be found.")


def _admit(kind: Kind, new: Resource, change: Change) -> Resource | None:
    """Let a new resource in; returns what was brought back when it is a soft-deleted one that is recovered."""
    kind.name.check(kind.arm_type, new.name)
    need_group(new.id, change)
    top = kind.tracked and new.id.kind.count("/") == 1 and not new.id.kind.endswith("/resourcegroups")
    if top and new.id.parent.lower().split("/")[-2:-1] != ["resourcegroups"]:
        raise ArmError(
            404, "InvalidResourceType",
            f"{kind.arm_type} '{new.name}' cannot stand at '{new.id.parent or '/'}': want "
            f"/subscriptions/ID/resourceGroups/NAME/providers/{kind.arm_type}/{new.name}.",
        )  # fmt: skip
    if new.id.parent and change.get(new.id.parent) is None:
        _make_parent(kind, new, change)
    if rows := _deleted(kind, new, change):
        recover(change, rows)
        change.tx.run("DELETE FROM deleted WHERE key = ?", (new.id.key,))
        return change.get(new.id.text)
    return None


def need_name(where: ResourceId, body: Body, view: View) -> None:
    """Refuse to create what could not have its name, as a PUT would, before anything is written.

    Raises:
        ArmError: the name breaks its rule, somebody has it, or it is kept for what was deleted.
    """
    kind, new = view.registry.need(where), Resource(where, body)
    if view.get(where.text) is None:
        kind.name.check(kind.arm_type, where.name)
        _deleted(kind, new, view)
    if kind.name.unique:
        view.need_free(kind.name.unique, new)


def _deleted(kind: Kind, new: Resource, view: View) -> str:
    """The rows of the soft-deleted resource that a PUT brings back; '' when there is none.

    Raises:
        ArmError: 409 when there is one and it is not asked for.
    """
    held = view.reader.one("SELECT rows FROM deleted WHERE key = ?", (new.id.key,))
    rule = kind.soft_delete
    if held is None or rule is None:
        return ""
    if rule.recover and str(look(new.body, rule.recover)).lower() == rule.recovered:
        return str(held["rows"])
    raise ArmError(
        409, "ConflictError",
        f"A {kind.arm_type} named '{new.name}' exists in deleted state. Recover it"
        + (f" with {rule.recover}='{rule.recovered}'" if rule.recover else "")
        + ", purge it, or take another name.",
    )  # fmt: skip


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
    resources = [change.open(row) for row in json.loads(rows)]
    for resource in resources:
        change.save(resource)
        change.claim(change.registry.need(resource.id).name.unique, resource)
        if principal := resource.get("identity.principalId"):
            change.tx.run(
                "INSERT OR IGNORE INTO principals VALUES (?,?,?,NULL,?)",
                (principal, clock.new_id(), resource.name, resource.id.key),
            )
    for resource in resources[1:]:  # the first is stored by the write that brings it back
        change.registry.need(resource.id).stored(resource, None, change)


def _location(kind: Kind, new: Resource, old: Resource | None) -> None:
    if not kind.tracked:
        return
    location = new.body.get("location")
    if not location:
        raise ArmError(400, "LocationRequired", f"The location property is required for {kind.arm_type} '{new.name}'.")
    new.body["location"] = str(location).replace(" ", "").lower()
    if not re.fullmatch(r"[a-z][a-z0-9]{1,39}", new.body["location"]):
        raise ArmError(
            400, "LocationNotAvailableForResourceType",
            f"The provided location {location!r} is not available for resource type '{kind.arm_type}': want a region "
            "such as westeurope.",
        )  # fmt: skip
    if old and old.get("location") != new.body["location"]:
        raise ArmError(
            409, "InvalidResourceLocation",
            f"The resource '{new.name}' already exists in location '{old.get('location')}'; a resource with the same "
            f"name cannot be created in location '{new.body['location']}'.",
        )  # fmt: skip


def _identity(kind: Kind, new: Resource, old: Resource | None, sent: Body, change: Change) -> None:
    """Managed identities: a system-assigned one is a principal of its own, user-assigned ones the caller may assign."""
    identity = new.body.get("identity")
    before = old.get("identity.principalId") if old else None
    own = isinstance(identity, dict) and "systemassigned" in str(identity.get("type", "")).lower().replace(" ", "")
    if before and not own:
        change.tx.run("DELETE FROM principals WHERE object_id = ?", (before,))
    if not isinstance(identity, dict):
        return
    if own:
        identity["tenantId"] = TENANT_ID
        identity["principalId"] = before or make_principal(change, new, new.name)[0]
    users = identity.get("userAssignedIdentities")
    if isinstance(users, list):  # azure-native sends the ids as a list
        users = dict.fromkeys(users)
    if isinstance(users, dict):
        identity["userAssignedIdentities"] = {key: _user_identity(key, new, change) for key in users}
        if present(sent, "identity.userAssignedIdentities"):
            named = sent["identity"]["userAssignedIdentities"] or ()
            for key in users:
                if key in named:
                    target = change.need(key)
                    _linked(kind, new, f"{change.registry.need(target.id).arm_type}/assign/action", target, change)


def _user_identity(key: str, of: Resource, change: Change) -> Body:
    found = change.need(key)
    if not (found.get("properties.principalId") and found.get("properties.clientId")):
        raise ArmError(
            400,
            "InvalidIdentity",
            f"identity.userAssignedIdentities of '{of.name}' has '{key}': want the id of a user-assigned identity.",
        )
    return {field: found[f"properties.{field}"] for field in ("principalId", "clientId")}


def make_principal(change: Change, of: Resource, name: str) -> tuple[str, str]:
    """Create a principal for a resource's identity; returns its object id and client id."""
    object_id, client_id = clock.new_id(), clock.new_id()
    change.tx.run("INSERT INTO principals VALUES (?,?,?,NULL,?)", (object_id, client_id, name, of.id.key))
    return object_id, client_id


def _refs(kind: Kind, new: Resource, sent: Body, change: Change) -> None:
    for ref in kind.refs:
        target = new.get(ref.path)
        if not isinstance(target, str) or not target.strip().startswith("/"):
            continue
        found = change.get(target)
        if found is None or found.id.kind != ref.kind.lower():
            raise ArmError(
                400, "InvalidResourceReference",
                f"{ref.path} of '{new.name}' refers to '{target}', which does not exist as {ref.kind}.",
            )  # fmt: skip
        if present(sent, ref.path):
            _linked(kind, new, ref.action, found, change)


def _linked(kind: Kind, new: Resource, action: str, target: Resource, change: Change) -> None:
    """Ask for the right to what a request brings in; ARM asks at every PUT, and at a PATCH that names it."""
    access.require_linked(change.reader, change.caller, kind.operation("write"), new.id.text, action, target.id.text)


def _unchanged(kind: Kind, new: Resource, old: Resource) -> None:
    for path in kind.frozen:
        if not present(new.body, path):  # what was not sent again stays, or leaving it out would unfreeze it
            if (kept := old.get(path)) is not None:
                place(new.body, path, copy.deepcopy(kept))
        elif new.get(path) != old.get(path):
            raise ArmError(
                409, "PropertyChangeNotAllowed",
                f"{path} of {kind.arm_type} '{new.name}' cannot change from {old.get(path)!r} to {new.get(path)!r}.",
            )  # fmt: skip
    if kind.immutable and _essence(new.body) != _essence(old.body):
        raise ArmError(
            409, "ImmutableResource",
            f"{kind.arm_type} '{new.name}' exists and is immutable: give the changed content a new version.",
        )  # fmt: skip


def _sign(new: Resource, old: Resource | None, change: Change) -> None:
    """Note who wrote it, and when; what goes on with it afterwards is no write."""
    now = clock.timestamp()
    new.created = new.created or now
    row = change.tx.one("SELECT resource FROM principals WHERE object_id = ?", (change.caller,))
    kind = "ManagedIdentity" if row and row["resource"] else "Application"
    new.body["systemData"] = {
        "createdByType": (old.get("systemData.createdByType") if old else None) or kind,
        "lastModifiedAt": now if old else new.created, "lastModifiedBy": change.caller, "lastModifiedByType": kind,
    }  # fmt: skip


def _essence(body: Body) -> Body:
    """A body without what may change on an immutable version."""
    rest = {key: value for key, value in body.items() if key not in ("tags", "systemData")}
    rest["properties"] = {
        key: value
        for key, value in body.get("properties", {}).items()
        if key not in ("tags", "description", "isArchived", "properties", "stage") and value is not None
    }
    return rest
