"""PUT, PATCH, DELETE, POST and reads, once for every kind. Rules run inside the transaction, slow work after it."""

import inspect
from collections.abc import Mapping
from typing import Any

from sandbox.arm import activity
from sandbox.arm.accept import accept, need_group
from sandbox.arm.azure import Azure
from sandbox.arm.errors import ArmError, not_found
from sandbox.arm.ids import ResourceId
from sandbox.arm.kind import Kind
from sandbox.arm.operations import Operations, erase_tree, purge, state_during
from sandbox.arm.resource import Change, Resource, View

Body = dict[str, Any]


class Verbs:
    """What ARM does with a resource of any kind."""

    def __init__(self, azure: Azure, operations: Operations) -> None:
        self._azure = azure
        self._operations = operations

    async def get(self, where: ResourceId) -> Resource:
        """Read one.

        Raises:
            ArmError: 404.
        """
        kind = self._azure.registry.need(where)
        need_group(where, self._azure)
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
            accepted = "Accepted" if operation else ""
            log_activity(change, kind.operation("write"), new.id.text, 200 if old else 201, accepted)
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
                if purging and purge(change, where.text):  # its group may be gone as well
                    return True, ""
                need_group(where, change)
                return False, ""
            _conditions(me, conditions or {})
            if kind.made_by_azure:
                raise ArmError(405, "MethodNotAllowed", f"{kind.arm_type} '{me.name}' cannot be deleted by a client.")
            if me.state == state_during(verb) and (running := self._operations.under_way(change, me.id.key, verb)):
                return True, running
            kind.check_delete(me, change)
            kinds = [kind, *map(change.registry.need_type, change.kinds_under(me.id.text))]
            slow = any(type(each).remove is not Kind.remove for each in kinds)
            if not slow and not (kind.lro and self._operations.pace() != "now"):
                log_activity(change, kind.operation("delete"), me.id.text, 200)
                erase_tree(change, me)
                if purging:
                    purge(change, me.id.text)
                return True, ""
            log_activity(change, kind.operation("delete"), me.id.text, 200, "Accepted")
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

            def begin(change: Change) -> str:
                log_activity(change, kind.operation(f"{verb}/action"), me.id.text, 202, "Accepted")
                return self._operations.record(change, me, verb)

            operation = await self._azure.change(caller, begin)
            self._operations.launch(operation)
            return None, operation
        answer = method(me, body, self._azure.on_behalf_of(caller))
        answer = await answer if inspect.isawaitable(answer) else answer
        await activity.note(self._azure.store, caller, kind.operation(f"{method.arm_action}/action"), me.id.text)  # type: ignore[attr-defined]
        return answer, ""


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


def _conditions(old: Resource | None, conditions: dict[str, str]) -> None:
    wanted, unwanted = conditions.get("if-match"), conditions.get("if-none-match")
    if wanted and (old is None or wanted not in ("*", old.etag)):
        raise ArmError(
            412, "PreconditionFailed", f"If-Match was '{wanted}', the ETag is {old.etag if old else 'none'}."
        )
    if unwanted == "*" and old is not None:
        raise ArmError(412, "PreconditionFailed", "If-None-Match was '*', and the resource exists.")


def log_activity(change: Change, what: str, resource: str, status: int, state: str = "") -> None:
    """Write the activity log's line in the same transaction as the change."""
    activity.record(change.tx, change.caller, what, resource, status, asked=change.asked, state=state)
