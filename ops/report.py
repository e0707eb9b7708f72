"""How progress looks: one line a finished step, with its time, on standard error.

On a terminal the step that is running shows its state on one line that is written over; elsewhere each change of state
is a line of its own and nothing else is printed, so that a log stays readable.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Step:
    """A step under way.

    Attributes:
        name: what the line begins with.
        result: what the line says when the step is done.
        done_before: the work was found done; the line says so instead of a time alone.
    """

    name: str
    report: "Report"
    result: str = ""
    done_before: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self.started

    def now(self, state: str) -> None:
        """Shows the present state; only a terminal sees it."""
        self.report.show(f"  … {self.name:<10} {state}  {self.elapsed:.0f} s")

    def note(self, text: str) -> None:
        """Prints a change of state, kept in a log."""
        self.report.line(f"    {self.name:<10} {text}")


class Report:
    """Writes steps to standard error."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._shown = 0

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Prints the step's line when the block ends, also when it fails."""
        step = Step(name, self)
        step.now("")
        try:
            yield step
        except BaseException:
            self.line(f"  ✗ {step.name:<10} {step.result or 'failed':<62} {step.elapsed:7.1f} s")
            raise
        mark = "=" if step.done_before else "✓"
        self.line(f"  {mark} {step.name:<10} {step.result:<62} {step.elapsed:7.1f} s")

    def line(self, text: str) -> None:
        """Prints a line of its own."""
        self._clear()
        print(text.rstrip(), file=sys.stderr, flush=True)

    def show(self, text: str) -> None:
        """Writes over the line of the running step; does nothing without a terminal."""
        if self._live:
            self._clear()
            sys.stderr.write(text[:110])
            sys.stderr.flush()
            self._shown = len(text[:110])

    def _clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r" + " " * self._shown + "\r")
            self._shown = 0
