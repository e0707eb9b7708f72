"""One SQLite file with one writer, and commits that many requests share.

Acknowledged means kept: a write returns after its transaction is on disk. The cost of that, one fsync, is paid
once for all writes that arrived while the one before was being paid (group commit).
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sandbox.store.migrate import prepare

T = TypeVar("T")
Params = Sequence[object]


class Reader:
    """Queries over one connection; rows are mappings by column name."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def one(self, sql: str, params: Params = ()) -> sqlite3.Row | None:
        """The first row, or None."""
        row: sqlite3.Row | None = self._connection.execute(sql, params).fetchone()
        return row

    def all(self, sql: str, params: Params = ()) -> list[sqlite3.Row]:
        """Every row."""
        return self._connection.execute(sql, params).fetchall()


class Tx(Reader):
    """A transaction in progress: it reads its own writes."""

    def run(self, sql: str, params: Params = ()) -> int:
        """Execute one statement; returns the number of rows it changed."""
        return self._connection.execute(sql, params).rowcount


class Store(Reader):
    """The sandbox's state. Reads see what is committed; writes go through :meth:`write`.

    Args:
        path: the SQLite file; made, or brought up to date, when it is opened.

    Raises:
        StateError: the file is damaged or from a newer version; the message names it and the repair.
    """

    def __init__(self, path: Path) -> None:
        prepare(path)
        self._reading = _connect(path)
        self._writing = _connect(path)
        super().__init__(self._reading)
        self._queue: list[tuple[Callable[[Tx], object], asyncio.Future[object]]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self.path = path

    async def write(self, change: Callable[[Tx], T]) -> T:
        """Run `change` in a transaction and return its result once that is durable.

        `change` runs on the event loop and must be quick and without I/O. An exception undoes its own writes,
        not those of others in the same commit.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[object] = loop.create_future()
        self._queue.append((change, future))
        if self._flusher is None:
            self._flusher = loop.create_task(self._flush())
        return await asyncio.shield(future)  # type: ignore[return-value]

    async def close(self) -> None:
        """Wait for writes under way, then let go of the file."""
        if self._flusher:
            await self._flusher
        self._thread.shutdown()
        self._reading.close()
        self._writing.close()

    async def _flush(self) -> None:
        try:
            while self._queue:
                await self._begin()
                batch, self._queue = self._queue, []
                done = [(future, *self._apply(change)) for change, future in batch]
                await self._in_thread("COMMIT")
                for future, value, error in done:
                    if future.cancelled():
                        continue
                    if error is None:
                        future.set_result(value)
                    else:
                        future.set_exception(error)
        except sqlite3.Error as error:
            self._fail(error)
        finally:
            self._flusher = None

    def _apply(self, change: Callable[[Tx], object]) -> tuple[object, Exception | None]:
        self._writing.execute("SAVEPOINT one")
        try:
            value = change(Tx(self._writing))
        except Exception as error:  # noqa: BLE001 - handed to whoever asked for the write
            self._writing.execute("ROLLBACK TO one")
            return None, error
        finally:
            self._writing.execute("RELEASE one")
        return value, None

    async def _begin(self) -> None:
        try:
            self._writing.execute("PRAGMA busy_timeout=0")
            self._writing.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            # Another process (the engine) is writing: wait for it off the event loop.
            self._writing.execute("PRAGMA busy_timeout=30000")
            await self._in_thread("BEGIN IMMEDIATE")

    async def _in_thread(self, statement: str) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._writing.execute, statement)

    def _fail(self, error: sqlite3.Error) -> None:
        """A commit that did not happen: nobody who waits for it is told that it did."""
        if self._writing.in_transaction:
            self._writing.execute("ROLLBACK")
        batch, self._queue = self._queue, []
        for _, future in batch:
            if not future.done():
                future.set_exception(error)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=30000")
    return connection
