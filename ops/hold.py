"""The right to change an endpoint's traffic.

A controller writes its name and a time into the state before it touches the traffic; when the time has passed without
a renewal the controller is gone, and another may take its place. An abort or a rollback takes it from anybody at any
time: each later write of the former owner is refused, and so it learns of it.
"""

import getpass
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ops import command
from ops.command import OpsError
from ops.rollout_state import ConflictError, State, Store, moment, stamp

# A controller that has not written for this long is gone; it writes at least each BEAT seconds.
TERM = timedelta(seconds=15)
BEAT = 3.0
_ATTEMPTS = 20


class LostError(OpsError):
    """Somebody else has taken the state: an abort, a rollback, or another controller."""

    def __init__(self, mine: State, state: State) -> None:
        later = [entry for entry in state.history if entry not in mine.history]
        if later:
            what = f"the rollout was ended by {later[0]['by']}, {later[0]['at']}: {later[0]['what']}"
        else:
            what = f"the rollout was taken over by {state.holder or 'somebody'}"
        super().__init__(
            what, why="the traffic is theirs",
            repair=f"look with {command.next_command('status')}, then start again if it is still wanted",
        )  # fmt: skip


class Hold:
    """The right to change the traffic, as long as nobody has written since.

    Attributes:
        state: as it stands.
        by: person who works, for the history.
    """

    def __init__(self, store: Store, state: State, tag: str, *, me: str, by: str) -> None:
        self.state, self.by = state, by
        self._store, self._tag, self._me = store, tag, me
        self._written = 0.0

    def write(self, what: str = "", **changes: Any) -> None:
        """Changes the state and renews the hold.

        Args:
            what: noted in the history.
            **changes: fields of the state.

        Raises:
            LostError: somebody else has taken it.
        """
        self._put(what, changes, self._me)

    def beat(self) -> None:
        """Renews the hold when it is time to; a gate calls it again and again.

        Raises:
            LostError: somebody else has taken it.
        """
        if time.monotonic() - self._written > BEAT:
            self.write()

    def release(self, what: str = "", **changes: Any) -> None:
        """Changes the state and lets go of it.

        Raises:
            LostError: somebody else has taken it.
        """
        self._put(what, changes, None)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renews the hold by itself while the block does something else, and lets go of it afterwards.

        Raises:
            LostError: somebody else has taken it meanwhile.
        """
        over, lost = threading.Event(), list[Exception]()

        def renew() -> None:
            while not (over.wait(1) or lost):
                try:
                    self.beat()
                except Exception as error:  # noqa: BLE001 - told at the end of the block
                    lost.append(error)

        thread = threading.Thread(target=renew, daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            over.set()
            thread.join()
            if not lost:
                self.release()
            raise
        over.set()
        thread.join()
        if lost:
            raise lost[0]
        self.release()

    def now(self) -> datetime:
        """The time by the clock that all controllers share."""
        return self._store.now()

    def _put(self, what: str, changes: dict[str, Any], holder: str | None) -> None:
        now = self._store.now()
        wanted = replace(
            self.state, **changes, holder=holder, holder_until=stamp(now + TERM) if holder else "",
            written=uuid.uuid4().hex, history=self.state.noting(self.by, what, now) if what else self.state.history,
        )  # fmt: skip
        for _ in range(_ATTEMPTS):
            try:
                self._tag = self._store.write(wanted, self._tag)
                break
            except ConflictError:
                found, tag = self._store.read()
                # A write that broke off, or that the client sent twice, may have been taken all the same.
                if found.written == wanted.written:
                    self._tag = tag
                    break
                if found.holder != self._me:
                    raise LostError(self.state, found) from None
                self._tag = tag
        else:
            raise OpsError("the rollout's state could not be written", why=f"{_ATTEMPTS} attempts met another write")
        self.state, self._written = wanted, time.monotonic()


def take(store: Store, *, say: Callable[[str], None]) -> Hold:
    """Takes the state, after waiting for a controller that does not renew its hold any more.

    Args:
        store: where it is.
        say: is told what is waited for; the wait ends when the hold does.

    Raises:
        OpsError: another controller is at work.
    """
    first: State | None = None
    for _ in range(_ATTEMPTS + int(TERM.total_seconds()) * 2):
        state, tag = store.read()
        if state.is_held(store.now()):
            first = first or state
            if (state.holder, state.written) != (first.holder, first.written):
                raise OpsError(
                    f"{state.holder} works on this endpoint" + (f": a rollout to {state.to}" if state.to else ""),
                    why="it has just renewed its hold, and two cannot both set the traffic",
                    repair=f"wait for it, or give the traffic back with {command.next_command('abort')}",
                )
            left = (moment(state.holder_until) - store.now()).total_seconds()
            say(f"waits for {state.holder}, which is gone if it does not write within {left:.0f} s")
            time.sleep(1)
            continue
        hold = Hold(store, state, tag, me=identity(), by=person())
        try:
            hold.write()
        except LostError:
            continue
        return hold
    raise OpsError("the rollout's state could not be taken", why="others were quicker each time")


def seize(store: Store, change: Callable[[State, datetime], tuple[str, dict[str, Any]] | None]) -> Hold | None:
    """Takes the state from whoever has it, with a change in the same write.

    Args:
        store: where it is.
        change: gives the note and the changes for a state as it was read; None leaves it alone. It may be called
            several times.

    Raises:
        OpsError: others were quicker each time.
    """
    for _ in range(_ATTEMPTS):
        state, tag = store.read()
        wanted = change(state, store.now())
        if wanted is None:
            return None
        what, changes = wanted
        hold = Hold(store, state, tag, me=identity(), by=person())
        try:
            hold.write(what, **changes)
        except LostError:
            continue
        return hold
    raise OpsError("the rollout's state could not be taken", why=f"others were quicker {_ATTEMPTS} times")


def person() -> str:
    """Who works, for people."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def identity() -> str:
    """Who works, never the same twice."""
    return f"{person()}/{os.getpid()}-{uuid.uuid4().hex[:6]}"
