"""The engine's memory: what each stack holds, and what was begun and not yet ended.

Every call to a provider is between two commits: the first says what is about to happen, the second what came of
it. A process that dies in between leaves an intent, and the next run asks the cloud (``recovery.py``). The rows
are in the sandbox's SQLite file; each carries a checksum, so that damage inside a row is noticed.
"""

import hashlib
import itertools
import sqlite3
import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.engine.state import Codec, Resource
from sandbox.home import Home
from sandbox.store import migrate, seal, snapshot
from sandbox.store.migrate import StateError, prepare

VERSION = "1"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS engine_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS engine_resources (
        stack TEXT NOT NULL, urn TEXT NOT NULL,
        slot INTEGER NOT NULL,  -- 0: the resource; else a replaced one that still has to be deleted
        body TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (stack, urn, slot)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS engine_intents (
        stack TEXT NOT NULL, number INTEGER NOT NULL,
        op TEXT NOT NULL, slot INTEGER NOT NULL, body TEXT NOT NULL, digest TEXT NOT NULL,
        PRIMARY KEY (stack, number)) WITHOUT ROWID""",
)
Statement = tuple[str, tuple[object, ...]]
Key = tuple[str, int]


@dataclass(frozen=True)
class Intent:
    """Something that was begun.

    Attributes:
        number: tells it from the others.
        op: ``create``, ``update`` or ``delete``; ``replace`` is a creation after which the old one is retired,
            ``unmake`` a deletion that makes room for a successor.
        slot: which row of the URN it is about.
        resource: what is to be, or for a deletion what was.
    """

    number: int
    op: str
    slot: int
    resource: Resource


@dataclass
class _Ticket:
    statements: list[Statement]
    error: Exception | None = None
    done: bool = False


@dataclass
class Edit:
    """Rows to write and to remove, in one transaction."""

    put: dict[Key, Resource] = field(default_factory=dict)
    drop: set[Key] = field(default_factory=set)


class Journal:
    """One stack's state. Methods may be called from several threads.

    Args:
        stack: its name.
        codec: writes resources as text.
        file: connection and path of the state file; None keeps changes in memory only, as a preview does.

    Attributes:
        current: URN to resource.
        retired: (URN, slot) to replaced resources that still have to be deleted.
        intents: what an earlier run began and did not end.
    """

    def __init__(self, stack: str, codec: Codec, file: "tuple[sqlite3.Connection, Path] | None") -> None:
        self.stack = stack
        self.current: dict[str, Resource] = {}
        self.retired: dict[Key, Resource] = {}
        self.intents: list[Intent] = []
        self._codec = codec
        self._file = file
        self._opened = ExitStack()
        self._queue: list[_Ticket] = []
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._slots = itertools.count(1)
        self._numbers = itertools.count(1)

    @classmethod
    def open(cls, home: Home, stack: str, *, write: bool) -> "Journal":
        """Read a stack's state; for writing, make the file if there is none.

        Raises:
            StateError: the file is damaged or from a newer version; the message names it and the repair.
        """
        path = home.database
        codec = Codec(home.root / "engine.key")
        if not write and not path.exists():
            return cls(stack, codec, None)
        fresh = not path.exists()
        prepare(path)
        with ExitStack() as opened:
            if write:
                opened.enter_context(seal.lift(path))
            try:
                connection = opened.enter_context(closing(_connect(path)))
                if write:
                    _make_tables(connection)
                elif connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'engine_meta'").fetchone() is None:
                    return cls(stack, codec, None)  # no stack ever came up; who only reads leaves the file as it is
                _check_version(connection, path)
                journal = cls(stack, codec, (connection, path))
                journal._load()
            except sqlite3.Error as error:
                raise migrate.explain(path, error) from error
            except (ValueError, KeyError, TypeError) as error:
                raise migrate.damaged(path, str(error)) from error
            if fresh:
                snapshot.take(home)  # from now on an emptied file is told from a new one
            if write:
                journal._opened = opened.pop_all()
            else:
                journal._file = None
        return journal

    def close(self) -> None:
        """Write down what waits for that, and let go of the file.

        Raises:
            StateError: it cannot be written.
        """
        if self._file is None:
            return
        with self._opened:
            self.flush()

    def slot(self) -> int:
        """A number for a resource that is being replaced."""
        return next(self._slots)

    def begin(self, op: str, resource: Resource, slot: int = 0) -> int:
        """Write down that something is about to happen; returns the intent's number."""
        with self._guard:
            number = next(self._numbers)
        body = self._codec.dump(resource)
        row = (self.stack, number, op, slot, body, _digest(self.stack, number, op, slot, body))
        self._commit([("INSERT INTO engine_intents VALUES (?,?,?,?,?,?)", row)])
        return number

    def end(self, number: int | None, edit: Edit, *, wait: bool = True) -> None:
        """Write down what came of an intent (or, without one, what is so now) and forget the intent.

        Without `wait` the edit becomes durable with the next one: for rows that a new run would write again.
        """
        with self._guard:
            for key in edit.drop:
                self.current.pop(key[0], None) if key[1] == 0 else self.retired.pop(key, None)
            for key, resource in edit.put.items():
                if key[1] == 0:
                    self.current[key[0]] = resource
                else:
                    self.retired[key] = resource
        if self._file is None:
            return
        statements: list[Statement] = []
        for urn, slot in edit.drop:
            statements.append(
                ("DELETE FROM engine_resources WHERE stack = ? AND urn = ? AND slot = ?", (self.stack, urn, slot))
            )
        for (urn, slot), resource in edit.put.items():
            body = self._codec.dump(resource)
            row = (self.stack, urn, slot, body, _digest(self.stack, urn, slot, body))
            statements.append(("INSERT OR REPLACE INTO engine_resources VALUES (?,?,?,?,?)", row))
        if number is not None:
            statements.append(("DELETE FROM engine_intents WHERE stack = ? AND number = ?", (self.stack, number)))
        self._commit(statements, wait=wait)

    def flush(self) -> None:
        """Make durable what was written without waiting."""
        self._commit([])

    def _commit(self, statements: list[Statement], *, wait: bool = True) -> None:
        """Group commit: whoever holds the pen writes for everybody who came meanwhile."""
        if self._file is None:
            return
        ticket = _Ticket(statements)
        with self._guard:
            self._queue.append(ticket)
        if not wait:
            return
        with self._writing:
            if not ticket.done:
                with self._guard:
                    batch, self._queue = self._queue, []
                self._write(batch)
        if ticket.error is not None:
            raise ticket.error

    def _write(self, batch: list[_Ticket]) -> None:
        connection, path = self._file or (None, None)
        if connection is None or path is None:
            return
        error: Exception | None = None
        try:
            connection.execute("BEGIN IMMEDIATE")
            for ticket in batch:
                for statement in ticket.statements:
                    connection.execute(*statement)
            connection.execute("COMMIT")
        except sqlite3.Error as problem:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            size = sum(len(str(value)) for ticket in batch for _, row in ticket.statements for value in row)
            error = migrate.explain(path, problem, size)
        for ticket in batch:
            ticket.error = error
            ticket.done = True

    def _load(self) -> None:
        """Read every row, not only the stack's: where a key is damaged, a search passes by rows that are there."""
        connection, path = self._file or (None, None)
        if connection is None or path is None:
            return
        for stack, urn, slot, body, digest in connection.execute(
            "SELECT stack, urn, slot, body, digest FROM engine_resources ORDER BY stack, urn, slot"
        ):
            if digest != _digest(stack, urn, slot, body):
                raise migrate.damaged(path, f"the row of {urn} is not what was written")
            if stack != self.stack:
                continue
            if slot == 0:
                self.current[urn] = self._codec.load(body)
            else:
                self.retired[urn, slot] = self._codec.load(body)
        for stack, number, op, slot, body, digest in connection.execute(
            "SELECT stack, number, op, slot, body, digest FROM engine_intents ORDER BY stack, number"
        ):
            if digest != _digest(stack, number, op, slot, body):
                raise migrate.damaged(path, f"intent {number} of stack {stack} is not what was written")
            if stack == self.stack:
                self.intents.append(Intent(number, op, slot, self._codec.load(body)))
        self._slots = itertools.count(max((slot for _, slot in self.retired), default=0) + 1)
        self._numbers = itertools.count(max((intent.number for intent in self.intents), default=0) + 1)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=migrate.BUSY_SECONDS)
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def _make_tables(connection: sqlite3.Connection) -> None:
    """All of them or none: tables without their version would pass for damage."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute("INSERT OR IGNORE INTO engine_meta VALUES ('version', ?)", (VERSION,))
    connection.execute("COMMIT")


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("SELECT value FROM engine_meta WHERE key = 'version'").fetchone()
    if version != VERSION:
        raise StateError(
            f"{path}: the stacks in it were written by a newer engine (version {version}, this one reads "
            f"{VERSION}); update this checkout, or start afresh with: make purge"
        )


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]
