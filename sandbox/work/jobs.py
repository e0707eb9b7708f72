"""Jobs under way: one task each, told of a cancellation, taking turns on their compute."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger("sandbox.work")


class Active:
    """A job under way.

    Attributes:
        canceled: set when somebody asks for its end.
    """

    def __init__(self) -> None:
        self.canceled = asyncio.Event()

    async def first(self, work: Coroutine[Any, Any, Any]) -> bool:
        """Wait for `work` or for a cancellation; True when the work was done first. Its error is raised here."""
        task = asyncio.ensure_future(work)
        asked = asyncio.ensure_future(self.canceled.wait())
        try:
            await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
                return True
            return False
        finally:
            asked.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


class Jobs:
    """All jobs under way, by key."""

    def __init__(self) -> None:
        self._active: dict[str, tuple[Active, asyncio.Task[None]]] = {}
        self._held: dict[str, int] = defaultdict(int)
        self._freed = asyncio.Condition()

    def begin(self, key: str, run: Callable[[Active], Coroutine[Any, Any, None]]) -> None:
        """Start the work of a job, unless it is under way."""
        if key in self._active:
            return
        active = Active()
        task = asyncio.get_running_loop().create_task(run(active))
        self._active[key] = (active, task)
        task.add_done_callback(lambda done: self._done(key, done))

    def cancel(self, key: str) -> None:
        """Tell a job to end; it does so in its own time."""
        if found := self._active.get(key):
            found[0].canceled.set()

    async def ended(self, key: str) -> None:
        """Wait until a job's work is over."""
        if found := self._active.get(key):
            await asyncio.wait({found[1]})

    @asynccontextmanager
    async def turn(self, pool: str, limit: int, active: Active, *, at_once: bool = False) -> AsyncIterator[bool]:
        """A place on a compute, in order of arrival.

        Args:
            pool: the compute.
            limit: how many jobs it runs at a time.
            active: a cancellation ends the waiting.
            at_once: the job runs already, so it holds a place even if there is none.

        Yields:
            Whether it is the job's turn; False when it was canceled meanwhile.
        """
        turn = at_once or await active.first(self._wait(pool, limit))
        self._held[pool] += at_once
        try:
            yield turn
        finally:
            if turn:
                self._held[pool] -= 1
                async with self._freed:
                    self._freed.notify_all()

    async def _wait(self, pool: str, limit: int) -> None:
        async with self._freed:
            await self._freed.wait_for(lambda: self._held[pool] < limit)
            self._held[pool] += 1

    async def stop(self) -> None:
        """Let go of every job: the gateway ends, their records stay as they are."""
        tasks = [task for _, task in self._active.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, key: str, task: asyncio.Task[None]) -> None:
        self._active.pop(key, None)
        if not task.cancelled() and (error := task.exception()):
            log.error("job %s broke", key, exc_info=error)
