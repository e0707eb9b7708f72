"""What a person or a log reads: plain lines in a log, colour and a moving line on a terminal, JSON when asked."""

from __future__ import annotations  # any Python 3 reads this file

import json
import os
import sys
from typing import Any, TextIO

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_LOCKED = 3
EXIT_INTERRUPTED = 130

_COLOURS = {"green": "32", "red": "31", "yellow": "33", "blue": "34", "dim": "2", "bold": "1"}


def plain(text: str) -> str:
    """What others wrote, such as a name, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


class Console:
    """Writes lines.

    Args:
        as_json: nothing but the envelope goes to standard output.
        stream: where lines go.
    """

    def __init__(self, *, as_json: bool = False, stream: TextIO | None = None) -> None:
        self._as_json = as_json
        self._stream = stream or sys.stdout
        self._moving = self._stream.isatty() and not as_json
        self._coloured = self._moving and "NO_COLOR" not in os.environ
        self._status = ""
        self._errors: list[str] = []

    def paint(self, text: str, colour: str) -> str:
        """The text in a colour where colours are shown."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self._coloured else text

    def line(self, text: str = "") -> None:
        """One line that stays."""
        if self._as_json:
            return
        self._clear()
        self._write(f"{text}\n")
        self._draw()

    def status(self, text: str) -> None:
        """What is happening now; shown on a terminal only, and replaced by the next."""
        self._clear()
        self._status = text
        self._draw()

    def error(self, text: str) -> None:
        """A failure, on standard error; the envelope has it too."""
        self._errors.append(text)
        self.status("")
        if not self._as_json:
            print(self.paint("error: ", "red") + text, file=sys.stderr, flush=True)

    def envelope(self, command: str, code: int, result: Any) -> None:
        """The JSON that ``--json`` promises, one object on standard output."""
        if self._as_json:
            ok = code == EXIT_OK
            whole = {"command": command, "ok": ok, "exit_code": code, "result": result, "errors": self._errors}
            self._write(f"{json.dumps(whole)}\n")

    def _clear(self) -> None:
        if self._moving and self._status:
            self._write("\r\x1b[2K")

    def _draw(self) -> None:
        if self._moving and self._status:
            width = os.get_terminal_size(self._stream.fileno()).columns if self._stream.isatty() else 80
            self._write(self.paint(self._status[: width - 1], "dim"))

    def _write(self, text: str) -> None:
        """Whoever reads may leave, as `head` does: what is under way goes on and ends in order, unseen."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
