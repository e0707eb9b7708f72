"""What every step shares: how it fails, and how it writes its report."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class StepError(Exception):
    """A step cannot go on; the message names the thing, the value and what is accepted."""


def run(main: Callable[[], None]) -> None:
    """Runs a step as a program: a ``StepError`` ends it with one line and exit code 1, never with a stack trace."""
    try:
        main()
    except StepError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON that has the same bytes for the same value, and makes the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Reads an object that an earlier step wrote.

    Raises:
        StepError: the file is missing or holds something else; names the file.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StepError(f"{path}: no such file; want the output folder of an earlier step") from None
    except ValueError as error:
        raise StepError(f"{path}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise StepError(f"{path}: want a JSON object, got {type(value).__name__}")
    return value
