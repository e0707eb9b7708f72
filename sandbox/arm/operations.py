"""Long-running operations: rows that outlive the process, with a pace that a test may set."""

import asyncio
import json
import logging
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakValueDictionary

from sandbox import clock
from sandbox.arm import access, activity, ids
from sandbox.arm.azure import Azure
from sandbox.arm.errors import ArmError
from sandbox.arm.ids import ResourceId
from sandbox.arm.resource import Change, Resource, View
from sandbox.arm.settings import setting
from sandbox.store.db import DiskFullError

log = logging.getLogger("sandbox.operations")

_STATE = {"create": "Creating", "update": "Updating", "delete": "Deleting", "purge": "Deleting"}
_GOING = ("delete", "purge")
_RETRY_SECONDS = 1.0
_POLL_SECONDS = 0.05


class Operations:
    """Starts, resumes and reports operations.

    Args:
        azure: the running sandbox.
    """

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._resumed: dict[str, str] = {}
        self._polled: dict[str, asyncio.Event] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def pace(self) -> str:
        """How new operations end: ``now``, ``polls:N`` or ``seconds:N`` after their work is done."""
        return setting(self._azure.reader, "pace")

    def record(self, change: Change, me: Resource, verb: str) -> str:
        """Write the row of a new operation in the transaction that accepts the request; returns its id."""
        operation = clock.new_id()
        namespace = me.id.type.split("/")[0]
        above = f"/subscriptions/{me.id.subscription}" if me.id.subscription else ""
        row = (operation, me.id.key, verb, me.generation, f"{above}/providers/{namespace}")
        change.tx.run(
            "INSERT INTO operations VALUES (?,?,?,?,'InProgress',NULL,NULL,?,?,0,?,?,NULL)",
            (*row, me.get("location", "global"), self.pace(), clock.timestamp()),
        )
        return operation

    def under_way(self, change: Change, key: str, verb: str) -> str:
        """The operation that already does this to a resource, or ''."""
        row = change.tx.one(
            "SELECT id FROM operations WHERE key = ? AND verb = ? AND state = 'InProgress'", (key, verb)
        )
        return str(row["id"]) if row else ""

    def launch(self, operation: str) -> None:
        """Begin the work of a recorded operation, unless it is under way."""
        if operation in self._tasks:
            return
        task = asyncio.get_running_loop().create_task(self._run(operation))
        self._tasks[operation] = task
        task.add_done_callback(lambda _: self._tasks.pop(operation, None))

    def resume(self) -> None:
        """Go on with every operation that a stop or a crash interrupted."""
        for row in self._azure.reader.all("SELECT id, key, verb FROM operations WHERE state = 'InProgress'"):
            if row["verb"] in _STATE and row["verb"] not in _GOING:
                self._resumed[row["key"]] = row["id"]
            self.launch(row["id"])

    def resumed(self, key: str) -> str:
        """The write of a resource that was interrupted and goes on now, or ''."""
        operation = self._resumed.get(key, "")
        return operation if operation in self._tasks else ""

    async def stop(self) -> None:
        """Let go of running work; the rows stay, so the next start goes on."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def need_shown(self, operation: str, caller: str) -> None:
        """Refuse whoever may not read what an operation is about, unless they wrote it: a role may go with it.

        Raises:
            ArmError: 404, as for an operation that never was.
        """
        row = self._azure.reader.one("SELECT key FROM operations WHERE id = ?", (operation,))
        if row is None:
            raise _absent(operation)
        action = self._azure.registry.need(ids.parse(row["key"])).operation("read")
        if not access.allowed(self._azure.reader, caller, action, row["key"]) and not self._azure.reader.one(
            "SELECT 1 FROM activity WHERE key = ? AND caller = ? AND status < 400", (row["key"], caller)
        ):
            raise _absent(operation)

    async def poll(self, operation: str) -> dict[str, Any]:
        """What ``GET .../operationsStatus/ID`` answers.

        Raises:
            ArmError: 404 for an operation that never was.
        """
        row = self._azure.reader.one("SELECT * FROM operations WHERE id = ?", (operation,))
        if row is None:
            raise _absent(operation)
        if row["state"] == "InProgress" and row["pace"].startswith("polls:"):
            await self._count(row["id"])
        answer: dict[str, Any] = {
            "id": f"{row['scope']}/locations/{row['location']}/operationsStatus/{row['id']}",
            "name": row["id"],
            "status": row["state"],
            "startTime": row["started"],
        }
        if row["ended"]:
            answer["endTime"] = row["ended"]
        if row["error"]:
            answer["error"] = json.loads(row["error"])["error"]
        if row["result"]:
            answer["properties"] = json.loads(row["result"])
        return answer

    async def follow(self, operation: str) -> None:
        """Wait for an operation's end, asking as a client does.

        Raises:
            ArmError: what it ended with, if it did not succeed.
        """
        while (now := await self.poll(operation))["status"] == "InProgress":
            if task := self._tasks.get(operation):
                await asyncio.wait([task], timeout=_POLL_SECONDS)
        if now["status"] != "Succeeded":
            error = now.get("error") or {"code": "OperationPreempted", "message": "Another write came in between."}
            details = [(each["code"], each["message"], each["target"]) for each in error.get("details", ())]
            raise ArmError(409, error["code"], error["message"], details)

    async def seen(self, key: str) -> None:
        """Count a read of a resource as a poll of its operation: some clients poll nothing else."""
        for row in self._azure.reader.all(
            "SELECT id, pace FROM operations WHERE key = ? AND state = 'InProgress'", (key,)
        ):
            if row["pace"].startswith("polls:"):
                await self._count(row["id"])

    async def _count(self, operation: str) -> None:
        await self._azure.store.write(
            lambda tx: tx.run("UPDATE operations SET polls = polls + 1 WHERE id = ?", (operation,))
        )
        if event := self._polled.get(operation):
            event.set()

    async def _run(self, operation: str) -> None:
        row = self._azure.reader.one("SELECT * FROM operations WHERE id = ?", (operation,))
        if row is None:
            return None
        error: ArmError | None = None
        result: Any = None
        try:
            result = await self._work(row["verb"], row["key"], row["generation"])
        except ArmError as refusal:
            error = refusal
        except Exception as failure:
            log.exception("operation %s on %s failed", row["verb"], row["key"])
            error = ArmError(500, "InternalServerError", f"{type(failure).__name__}: {failure}")
        await self._wait(operation, row["pace"], row["started"])

        def end(change: Change) -> None:
            self._end(change, operation, row["verb"], row["key"], row["generation"], error, result)

        while True:
            try:
                return await self._azure.change("", end)
            except DiskFullError as full:  # its client goes on polling: the end is written once there is room again
                log.warning("operation %s on %s cannot end yet: %s", row["verb"], row["key"], full)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _work(self, verb: str, key: str, generation: int) -> Any:
        """Do what the verb asks for; an action's answer is the result."""
        if verb in _GOING:
            return await self._remove(key, generation)
        if verb not in _STATE:
            me = self._azure.need(key)
            return await self._azure.registry.need(me.id).actions()[verb.lower()](me, {}, self._azure)  # type: ignore[misc]
        # The work on one resource takes turns, and the newest write is the one that counts: an older one that is
        # still slow must not end last, nor begin what a deletion has just stopped.
        async with self._turn(key):
            found = self._azure.get(key)
            if found and found.generation == generation and not going(found.id, self._azure):
                await self._azure.registry.need(found.id).apply(found, self._azure)
        return None

    async def _remove(self, key: str, generation: int) -> None:
        me = self._azure.get(key)
        if me is None or me.generation != generation:
            return
        tree = [*self._azure.under(key), me]
        for resource in tree:
            async with self._turn(resource.id.key):
                await self._azure.registry.need(resource.id).remove(resource, self._azure)

    def _turn(self, key: str) -> asyncio.Lock:
        return self._turns.setdefault(key, asyncio.Lock())

    async def _wait(self, operation: str, pace: str, started: str) -> None:
        how, _, amount = pace.partition(":")
        if how == "seconds":
            begun = datetime.fromisoformat(started)
            await asyncio.sleep(max(0.0, float(amount) - (clock.now() - begun).total_seconds()))
        while how == "polls":
            event = self._polled.setdefault(operation, asyncio.Event())
            row = self._azure.reader.one("SELECT polls FROM operations WHERE id = ?", (operation,))
            if row is None or row["polls"] >= int(amount):
                self._polled.pop(operation, None)
                return
            event.clear()
            await event.wait()

    def _end(
        self, change: Change, operation: str, verb: str, key: str, generation: int, error: ArmError | None, result: Any
    ) -> None:
        state = "Failed" if error else "Succeeded"
        me = change.get(key)
        if verb in _STATE and me is not None and me.generation != generation:
            state = "Canceled"
        elif me is None:
            state = "Canceled" if verb in _STATE and verb not in _GOING else state
        elif verb in _GOING and error is None:
            erase_tree(change, me)
            if verb == "purge":
                purge(change, me.id.text)
        elif verb in _STATE:
            change.tx.run("UPDATE resources SET state = ? WHERE key = ?", (state, key))
        if state != "Canceled":
            done = {"create": "write", "update": "write", "delete": "delete", "purge": "delete"}
            what = self._azure.registry.need(ids.parse(key)).operation(done.get(verb, f"{verb}/action"))
            activity.end(change.tx, key, what, error.status if error else 200, error)
        change.tx.run(
            "UPDATE operations SET state = ?, error = ?, result = ?, ended = ? WHERE id = ?",
            (
                state,
                json.dumps(error.body()) if error else None,
                json.dumps(result) if result else None,
                clock.timestamp(),
                operation,
            ),
        )


def _absent(operation: str) -> ArmError:
    return ArmError(404, "OperationNotFound", f"There is no operation '{operation}'.")


def state_during(verb: str) -> str:
    """The provisioning state that a resource shows while an operation runs."""
    return _STATE[verb]


def going(where: ResourceId, view: View) -> ResourceId | None:
    """What is being deleted: the resource itself, or the nearest that encloses it."""
    text = where.text
    while text:
        here = ids.parse(text)
        row = view.reader.one("SELECT state FROM resources WHERE key = ?", (here.key,))
        if row and row["state"] == _STATE["delete"]:
            return here
        text = here.parent
    return None


def erase_tree(change: Change, me: Resource) -> None:
    """Remove a resource and all below it; a soft-deleting kind keeps them aside with their name."""
    kind = change.registry.need(me.id)
    below = change.under(me.id.text)
    if kind.soft_delete:
        rows = [
            dict(change.tx.one("SELECT * FROM resources WHERE key = ?", (resource.id.key,)) or {})
            for resource in [me, *reversed(below)]
        ]
        scope_held = change.tx.all("SELECT scope, name FROM names WHERE key = ?", (me.id.key,))
        change.tx.run(
            "INSERT OR REPLACE INTO deleted VALUES (?,?,?,?,?,?)",
            (
                me.id.key,
                me.id.kind,
                me.get("location", "global"),
                me.name,
                clock.timestamp(),
                json.dumps(rows),
            ),
        )
        for resource in [*below, me]:
            change.erase(resource)
        for row in scope_held:
            change.tx.run("INSERT OR REPLACE INTO names VALUES (?,?,?)", (row["scope"], row["name"], me.id.key))
        return
    for resource in reversed(below):  # from the top: what is kept aside takes along all that is below it
        if change.registry.need(resource.id).soft_delete and change.get(resource.id.text):
            erase_tree(change, resource)
    for resource in [*below, me]:
        if change.get(resource.id.text):
            change.erase(resource)


def purge_expired(change: Change) -> None:
    """Forget what was deleted longer ago than it is kept."""
    for row in change.tx.all("SELECT rows, deleted FROM deleted"):
        me = change.open(json.loads(row["rows"])[0])
        inside = me.id.type.count("/") > 1  # of one whose parent is deleted too, the parent's time counts
        if inside and change.get(me.id.parent) is None:
            continue
        kept = timedelta(days=change.registry.need(me.id).kept_days(me, change))
        if datetime.fromisoformat(row["deleted"]) + kept <= clock.now():
            purge(change, me.id.key)


def purge(change: Change, resource_id: str) -> bool:
    """Forget a soft-deleted resource, what was deleted in it before, and its name; False when there was none."""
    key = resource_id.lower()
    change.tx.run("DELETE FROM deleted WHERE key > ? AND key < ?", (f"{key}/", f"{key}0"))
    change.tx.run("DELETE FROM names WHERE key = ?", (key,))
    return change.tx.run("DELETE FROM deleted WHERE key = ?", (key,)) > 0
