"""How progress looks: one line a finished step, with its time, on standard error.

On a terminal the step that is running shows its state and its time on one line that is written over; elsewhere each
change of state is a line of its own and nothing else is printed, so that a log stays readable.
"""

import os
import shutil
import sys
import threading
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
        done_before: the work was found done: the line begins with ``=``.
    """

    name: str
    report: "Report"
    result: str = ""
    done_before: bool = False
    state: str = ""
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self.started

    def now(self, state: str) -> None:
        """Sets the present state; only a terminal shows it."""
        self.state = state

    def note(self, text: str) -> None:
        """Prints a change of state, kept in a log."""
        self.report.line(f"    {self.name:<10} {text}")


class Report:
    """Writes steps to standard error."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._shown = 0
        self._lock = threading.Lock()

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Prints the step's line when the block ends, also when it fails."""
        step = Step(name, self)
        over = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(step, over), daemon=True)
        if self._live:
            ticker.start()
        mark = "✗"
        try:
            yield step
            mark = "=" if step.done_before else "✓"
        except KeyboardInterrupt:
            step.result = step.result or "interrupted"
            raise
        finally:
            over.set()
            if self._live:
                ticker.join()
            result = step.result if mark != "✗" else step.result or "failed"
            self.line(f"  {mark} {step.name:<10} {result:<62} {step.elapsed:7.1f} s")

    def line(self, text: str) -> None:
        """Prints a line of its own."""
        with self._lock:
            self._clear()
            print(text.rstrip(), file=sys.stderr, flush=True)

    @contextmanager
    def handed_over(self) -> Iterator[None]:
        """Leaves the terminal to another program."""
        with self._lock:
            self._clear()
            yield

    def _tick(self, step: Step, over: threading.Event) -> None:
        while True:
            with self._lock:
                self._clear()
                width = shutil.get_terminal_size().columns - 1
                text = f"  … {step.name:<10} {step.elapsed:4.0f} s  {step.state}"[:width]
                sys.stderr.write(text)
                sys.stderr.flush()
                self._shown = len(text)
            if over.wait(0.5):
                return

    def _clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r" + " " * self._shown + "\r")
            sys.stderr.flush()
            self._shown = 0
