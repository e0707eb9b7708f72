"""One SQLite file with one writer, and commits that many requests share.

Acknowledged means kept: a write returns after its transaction is on disk. The cost of that, one fsync, is paid
once for all writes that arrived while the one before was being paid (group commit).
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar, cast

from sandbox.store import seal
from sandbox.store.migrate import prepare

T = TypeVar("T")
Params = Sequence[object]
_Wanted = tuple[Callable[["Tx"], object], asyncio.Future[object]]
# SQLite reports a full disk as such, and a limit on a file's size as a failed write.
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)


class DiskFullError(Exception):
    """A write that did not fit; nothing of it was kept, and what was there before is as it was.

    Args:
        path: the file that could not grow.
        needed: bytes that the write wanted, at least.
    """

    def __init__(self, path: Path, needed: int) -> None:
        disk = os.statvfs(path.parent)
        super().__init__(
            f"{path}: no room for at least {needed} more bytes ({disk.f_bavail * disk.f_frsize} free in "
            f"{path.parent}). Nothing was changed; free some space there and repeat the request."
        )
        self.path = path
        self.needed = needed


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

    @contextmanager
    def each(self, sql: str, params: Params = ()) -> Iterator[Iterator[sqlite3.Row]]:
        """Rows one by one, for who may stop before the last of them."""
        with closing(self._connection.execute(sql, params)) as rows:
            yield rows


class Tx(Reader):
    """A transaction in progress: it reads its own writes.

    Attributes:
        resources: it may change resources or role assignments.
        written: what its statements were given, to say how much room they wanted when there was none.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.resources = False
        self.written: list[Params] = []

    def run(self, sql: str, params: Params = ()) -> int:
        """Execute one statement; returns the number of rows it changed."""
        self.written.append(params)
        return self._connection.execute(sql, params).rowcount


class Store(Reader):
    """The sandbox's state. Reads see what is committed; writes go through :meth:`write`.

    Args:
        path: the SQLite file; made, or brought up to date, when it is opened.

    Attributes:
        revision: grows with each commit that may have changed resources or role assignments; what was derived
            from those holds as long as it stands still.

    Raises:
        StateError: the file is damaged or from a newer version; the message names it and the repair.
    """

    def __init__(self, path: Path) -> None:
        prepare(path)
        self._unsealed = seal.lift(path)
        self._reading = _connect(path)
        self._writing = _connect(path)
        super().__init__(self._reading)
        self._queue: list[_Wanted] = []
        self._flusher: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self.path = path
        self.revision = 0

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
        return cast(T, await asyncio.shield(future))

    @contextmanager
    def moment(self) -> Iterator[Reader]:
        """The state as it is now, whatever is written meanwhile; for long reads in a thread of their own."""
        connection = _connect(self.path)
        try:
            connection.execute("BEGIN")
            yield Reader(connection)
        finally:
            connection.close()

    async def close(self) -> None:
        """Wait for writes under way, then let go of the file."""
        if self._flusher:
            await self._flusher
        self._thread.shutdown()
        self._reading.close()
        self._writing.close()
        self._unsealed.close()
        seal.put(self.path)

    async def _flush(self) -> None:
        batch: list[_Wanted] = []
        try:
            while self._queue:
                await self._begin()
                batch, self._queue = self._queue, []
                await self._commit(batch)
        except Exception as error:  # noqa: BLE001 - handed to everybody who waits for a write
            self._fail([*batch, *self._queue], error)
            self._queue = []
        finally:
            self._flusher = None

    async def _commit(self, batch: list[_Wanted]) -> None:
        """Apply the changes one by one, commit them together, then tell each that asked."""
        transactions = [Tx(self._writing) for _ in batch]
        try:
            done = [self._apply(change, tx) for (change, _), tx in zip(batch, transactions, strict=True)]
            await self._in_thread("COMMIT")
        except sqlite3.OperationalError as failure:
            raise self._told(failure, transactions) from failure
        self.revision += any(tx.resources for tx in transactions)
        for (_, future), (value, error) in zip(batch, done, strict=True):
            if future.done():
                continue
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

    def _apply(self, change: Callable[[Tx], object], tx: Tx) -> tuple[object, Exception | None]:
        self._writing.execute("SAVEPOINT one")
        try:
            value = change(tx)
        except Exception as error:
            if not self._writing.in_transaction:  # SQLite gave up the whole transaction: no room, or worse
                raise
            self._writing.execute("ROLLBACK TO one")
            self._writing.execute("RELEASE one")
            return None, self._told(error, [tx])
        self._writing.execute("RELEASE one")
        return value, None

    def _told(self, failure: Exception, transactions: list[Tx]) -> Exception:
        """A full disk by its name, with what was to be written; any other failure as it is."""
        if isinstance(failure, sqlite3.OperationalError) and failure.sqlite_errorcode in _FULL:
            return DiskFullError(self.path, sum(_size(params) for tx in transactions for params in tx.written))
        return failure

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

    def _fail(self, batch: list[_Wanted], error: Exception) -> None:
        """A commit that did not happen: nobody who waits for it is told that it did."""
        try:
            if self._writing.in_transaction:
                self._writing.execute("ROLLBACK")
        except sqlite3.Error as worse:  # they must be told all the same, or they wait for ever
            error.add_note(f"and it could not be rolled back: {worse}")
        for _, future in batch:
            if not future.done():
                future.set_exception(error)


def _size(params: Params) -> int:
    return sum(len(value) if isinstance(value, str | bytes) else 8 for value in params)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=30000")
    return connection
