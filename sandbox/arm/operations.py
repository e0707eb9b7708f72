"""Long-running operations: rows that outlive the process, with a pace that a test may set."""

import asyncio
import json
import logging
from datetime import datetime
from typing import Any

from sandbox import clock
from sandbox.arm.azure import Azure
from sandbox.arm.errors import ArmError
from sandbox.arm.resource import Change, Resource

log = logging.getLogger("sandbox.operations")

_STATE = {"create": "Creating", "update": "Updating", "delete": "Deleting", "purge": "Deleting"}
_GOING = ("delete", "purge")


class Operations:
    """Starts, resumes and reports operations.

    Args:
        azure: the running sandbox.
    """

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._polled: dict[str, asyncio.Event] = {}

    def pace(self) -> str:
        """How new operations end: ``now``, ``polls:N`` or ``seconds:N`` after their work is done."""
        row = self._azure.reader.one("SELECT value FROM meta WHERE key = 'pace'")
        return row["value"] if row else "now"

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

    def launch(self, operation: str) -> None:
        """Begin the work of a recorded operation."""
        task = asyncio.get_running_loop().create_task(self._run(operation))
        self._tasks[operation] = task
        task.add_done_callback(lambda _: self._tasks.pop(operation, None))

    def resume(self) -> None:
        """Go on with every operation that a stop or a crash interrupted."""
        for row in self._azure.reader.all("SELECT id FROM operations WHERE state = 'InProgress'"):
            self.launch(row["id"])

    async def stop(self) -> None:
        """Let go of running work; the rows stay, so the next start goes on."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def poll(self, operation: str) -> dict[str, Any]:
        """What ``GET .../operationsStatus/ID`` answers.

        Raises:
            ArmError: 404 for an operation that never was.
        """
        row = self._azure.reader.one("SELECT * FROM operations WHERE id = ?", (operation,))
        if row is None:
            raise ArmError(404, "OperationNotFound", f"There is no operation '{operation}'.")
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
            return
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
        await self._azure.change(
            "", lambda change: self._end(change, operation, row["verb"], row["key"], row["generation"], error, result)
        )

    async def _work(self, verb: str, key: str, generation: int) -> Any:
        """Do what the verb asks for; an action's answer is the result."""
        me = self._azure.get(key)
        if me is None or me.generation != generation:
            return None
        kind = self._azure.registry.need(me.id)
        if verb in _GOING:
            for resource in [*self._azure.under(key), me]:
                await self._azure.registry.need(resource.id).remove(resource, self._azure)
        elif verb in _STATE:
            await kind.apply(me, self._azure)
        else:
            return await kind.actions()[verb.lower()](me, {}, self._azure)  # type: ignore[misc]
        return None

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
        if me is None or me.generation != generation:
            state = state if verb in _GOING else "Canceled"
        elif verb in _GOING and error is None:
            erase_tree(change, me)
            if verb == "purge":
                purge(change, me.id.text)
        elif verb in _STATE:
            change.tx.run("UPDATE resources SET state = ? WHERE key = ?", (state, key))
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


def state_during(verb: str) -> str:
    """The provisioning state that a resource shows while an operation runs."""
    return _STATE[verb]


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
    for resource in [*below, me]:
        nested = change.registry.need(resource.id)
        if nested.soft_delete and resource is not me:
            erase_tree(change, resource)
        elif change.get(resource.id.text):
            change.erase(resource)


def purge(change: Change, resource_id: str) -> bool:
    """Forget a soft-deleted resource and give its name back; False when there was none."""
    key = resource_id.lower()
    change.tx.run("DELETE FROM names WHERE key = ?", (key,))
    return change.tx.run("DELETE FROM deleted WHERE key = ?", (key,)) > 0
