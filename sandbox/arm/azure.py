"""What the slow half of a kind may use: the committed state, the store, and real processes."""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from sandbox.arm.activity import asking
from sandbox.arm.registry import Registry
from sandbox.arm.resource import Change, Resource, View
from sandbox.home import Home
from sandbox.store.blobs import Blobs
from sandbox.store.db import Store

if TYPE_CHECKING:
    from sandbox.arm.operations import Operations
    from sandbox.work.workshop import Workshop

T = TypeVar("T")


class Azure(View):
    """The running sandbox.

    Attributes:
        store: where state is kept.
        home: the sandbox's folder.
        blobs: content of storage accounts.
        operations: long-running writes, for who makes resources on behalf of others.
        work: starts, adopts and stops real processes.
    """

    operations: "Operations"
    work: "Workshop"

    def __init__(self, store: Store, registry: Registry, home: Home) -> None:
        super().__init__(store, registry)
        self.store = store
        self.home = home
        self.blobs = Blobs(store, home.blobs)

    def on_behalf_of(self, caller: str) -> "Azure":
        """The same sandbox, asked by `caller`: for rules that depend on who asks."""
        other = copy.copy(self)
        other.caller = caller
        return other

    async def change(self, caller: str, write: Callable[[Change], T]) -> T:
        """Run `write` in a durable transaction on behalf of `caller`."""
        asked = asking.get()  # another task writes it
        return await self.store.write(lambda tx: write(Change(tx, self.registry, caller, asked)))

    async def revise(self, me: Resource, write: Callable[[Resource], None]) -> bool:
        """Merge the result of slow work: only if the resource still lives.

        Returns False when it is gone, so that nothing is revived.
        """

        def again(change: Change) -> bool:
            current = change.get(me.id.text)
            if current is None:
                return False
            write(current)
            generation = current.generation
            change.save(current)
            change.tx.run("UPDATE resources SET generation = ? WHERE key = ?", (generation, current.id.key))
            return True

        return await self.change(me.author, again)
