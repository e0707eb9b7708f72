"""Tells what a run does, and counts it."""

import threading
import time
from collections import Counter
from collections.abc import Mapping

from sandbox.engine.events import Diagnostic, Emit, Op, StepDone, StepStarted
from sandbox.provider.base import Change

_COUNTED = ("same", "create", "update", "replace", "delete", "read", "refresh", "forget", "recover")


class Report:
    """What happened so far.

    Args:
        emit: is told each event.
        preview: nothing is done, only reported.

    Attributes:
        failed: an error was reported.
        counts: operation to number of resources.
    """

    def __init__(self, emit: Emit, *, preview: bool) -> None:
        self.preview = preview
        self.failed = False
        self._faults = 0
        self._touched = False
        self.counts: Counter[str] = Counter()
        self._emit = emit
        self._guard = threading.Lock()

    @property
    def mistaken(self) -> bool:
        """It failed because of what the user wrote, and nothing was made or changed."""
        return self.failed and not self._faults and not self._touched

    def fail(self, message: str, urn: str = "", where: str = "", *, mistake: bool = False) -> None:
        """Report an error; the run ends as failed. A `mistake` is the user's, and told before anything is asked."""
        self.failed = True
        self._faults += not mistake
        self._emit(Diagnostic("error", message, urn, where))

    def tell(self, diagnostic: Diagnostic) -> None:
        """Report something that is not an error."""
        self._emit(diagnostic)

    def start(self, op: Op, urn: str, type_: str) -> float:
        """Tell that a step begins; returns the time."""
        if not self.preview:
            self._touched |= op not in ("read", "refresh") and not type_.startswith("pulumi:")
            self._emit(StepStarted(op, urn, type_))
        return time.monotonic()

    def done(
        self, op: Op, urn: str, type_: str, started: float, *, resource_id: str = "",
        changes: Mapping[str, Change] | None = None, error: str = "",
    ) -> None:  # fmt: skip
        """Tell that a step ended, and count it."""
        if not error and op in _COUNTED:
            with self._guard:
                self.counts[op] += 1
        self._emit(StepDone(op, urn, type_, time.monotonic() - started, resource_id, changes or {}, error))
