"""Operations as code: the newest write wins, work on one resource takes turns, an end is never lost."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sandbox.arm import ids
from sandbox.arm import operations as module
from sandbox.arm.azure import Azure
from sandbox.arm.kind import Kind
from sandbox.arm.operations import Operations
from sandbox.arm.registry import Registry
from sandbox.arm.resource import Change, Resource
from sandbox.arm.schema import Schema
from sandbox.arm.verbs import Verbs
from sandbox.constants import SUBSCRIPTION_ID
from sandbox.home import Home
from sandbox.store.db import DiskFullError, Store
from sandbox.types.resources.resource_group import ResourceGroup
from sandbox.types.resources.subscription import Subscription

GROUP = f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/g"


class Slow(ResourceGroup):
    """A group whose work takes as long as the test likes, and says what it does."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    async def apply(self, me: Resource, azure: Azure) -> None:
        """Log, wait for the tag's gate, log."""
        tag = me["tags.round"]
        self.log.append(f"begin {tag}")
        await self.gates.setdefault(tag, asyncio.Event()).wait()
        self.log.append(f"end {tag}")

    async def remove(self, me: Resource, azure: Azure) -> None:
        """Log."""
        self.log.append("remove")


Work = Callable[[Azure, Operations, Verbs, Slow], Awaitable[None]]


def within(folder: Path, cache: Path, work: Work) -> None:
    """Run `work` with a sandbox of two kinds."""

    async def run() -> None:
        home, slow = Home(folder), Slow()
        home.make()
        kinds: list[Kind] = [Subscription(), slow]
        azure = Azure(Store(home.database), Registry(kinds, Schema(cache)), home)
        await azure.change("", lambda change: change.make(f"/subscriptions/{SUBSCRIPTION_ID}", {}))
        operations = Operations(azure)
        await asyncio.wait_for(work(azure, operations, Verbs(azure, operations), slow), 30)
        await operations.stop()
        await azure.store.close()

    asyncio.run(run())


async def put(verbs: Verbs, tag: str) -> str:
    """Write the group; returns the operation."""
    where = ids.parse(GROUP)
    return (await verbs.put(where, {"location": "westeurope", "tags": {"round": tag}}, "me"))[2]


async def ended(operations: Operations, operation: str) -> str:
    """How an operation ends."""
    while (now := (await operations.poll(operation))["status"]) == "InProgress":
        await asyncio.sleep(0)
    return str(now)


async def logged(slow: Slow, line: str) -> None:
    """Wait until the work has got there."""
    while line not in slow.log:
        await asyncio.sleep(0)


def test_an_update_during_a_creation_waits_for_it_and_wins(tmp_path: Path, schema_cache: Path) -> None:
    async def work(azure: Azure, operations: Operations, verbs: Verbs, slow: Slow) -> None:
        first = await put(verbs, "one")
        await logged(slow, "begin one")
        second, third = await put(verbs, "two"), await put(verbs, "three")
        for gate in ("three", "two", "one"):
            slow.gates.setdefault(gate, asyncio.Event()).set()
        assert [await ended(operations, each) for each in (first, second, third)] == [
            "Canceled", "Canceled", "Succeeded",
        ]  # fmt: skip
        assert slow.log == ["begin one", "end one", "begin three", "end three"]
        assert azure.need(GROUP).state == "Succeeded"

    within(tmp_path, schema_cache, work)


def test_a_deletion_waits_for_the_creation_and_nothing_begins_after_it(tmp_path: Path, schema_cache: Path) -> None:
    async def work(azure: Azure, operations: Operations, verbs: Verbs, slow: Slow) -> None:
        first = await put(verbs, "one")
        await logged(slow, "begin one")
        second = await put(verbs, "two")
        _, gone = await verbs.delete(ids.parse(GROUP), "me")
        assert azure.need(GROUP).state == "Deleting"
        slow.gates["one"].set()
        assert [await ended(operations, each) for each in (first, second, gone)] == [
            "Canceled", "Canceled", "Succeeded",
        ]  # fmt: skip
        assert slow.log == ["begin one", "end one", "remove"]
        assert azure.get(GROUP) is None

    within(tmp_path, schema_cache, work)


def test_an_end_that_found_no_room_is_written_when_there_is_some(
    tmp_path: Path, schema_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0)

    async def work(azure: Azure, operations: Operations, verbs: Verbs, slow: Slow) -> None:
        operation = await put(verbs, "one")
        await logged(slow, "begin one")
        change, full = azure.change, [DiskFullError(azure.store.path, 1)] * 3

        async def fails_thrice(caller: str, write: Callable[[Change], object]) -> object:
            if full:
                raise full.pop()
            return await change(caller, write)

        monkeypatch.setattr(azure, "change", fails_thrice)
        slow.gates["one"].set()
        assert await ended(operations, operation) == "Succeeded"
        assert not full

    within(tmp_path, schema_cache, work)
