"""What the state says of a stack: its resources and what it exports. No gateway is asked."""

import argparse
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox import launch
from sandbox.console import EXIT_OK, Console
from sandbox.engine.journal import Journal
from sandbox.home import Home
from sandbox.levels import Levels
from sandbox.values import shown

_STACK = "pulumi:pulumi:Stack"


def status(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    """What the stack has, by type and depth, and what it exports; reads the state, needs no gateway."""
    if not home.database.exists():
        console.line(f"nothing has come up in {home.root} yet; begin with: make up")
        return EXIT_OK, {"resources": [], "outputs": {}, "gateway": None}
    journal = read(home, options.stack)
    # A provider is how the others are reached; the stack is what they are in.
    resources = [each for each in journal.current.values() if each.custom and not each.type.startswith("pulumi:")]
    levels = Levels(home)
    for kind, count in sorted(Counter(each.type for each in resources).items()):
        console.line(f"  {short(kind):<44} {count:>3}  {levels.of(kind)}")
    server = launch.running(home)
    where = (
        f"answers on 127.0.0.1:{server.port} since {server.since}"
        if server
        else f"is not running{_since(home)}; start it with: make up"
    )
    others = len(journal.current) - len(resources)
    console.line(
        f"{len(resources)} resources in stack {options.stack}, and {others} that group them; the gateway {where}"
    )
    rows = [{"urn": each.urn, "type": each.type, "id": each.id, "level": levels.of(each.type)} for each in resources]
    return EXIT_OK, {"resources": rows, "outputs": _exports(journal), "gateway": vars(server) if server else None}


def _since(home: Home) -> str:
    """When the last gateway wrote its last line, which is when it stopped unless it was killed."""
    try:
        last = datetime.fromtimestamp((home.logs / "gateway.log").stat().st_mtime, UTC)
    except OSError:
        return ""
    return f" since {last:%Y-%m-%dT%H:%M:%SZ}"


def outputs(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    """What the stack exports, as its state has it: on standard output, or in a file that was lost."""
    journal = read(home, options.stack)
    exports = _exports(journal)
    came_up = exports and not any(each.problems for each in journal.current.values() if each.type == _STACK)
    if options.file is None:
        print(json.dumps(exports, indent=1))
    elif came_up:  # what one that failed on its way up exports is not all
        options.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_outputs(options.file, exports)
        console.line(f"{options.file} is written again, from the state of stack {options.stack}")
    return EXIT_OK, exports


def read(home: Home, stack: str) -> Journal:
    """A stack's state as it is now; empty for one that never came up."""
    journal = Journal.open(home, stack, write=False)
    journal.close()
    return journal


def _exports(journal: Journal) -> Any:
    return shown(next((each.outputs for each in journal.current.values() if each.type == _STACK), {}))


def write_outputs(file: Path, exports: Any) -> None:
    """Write what a stack exports; the file is the one before, or the new one."""
    beside = Path(f"{file}.new")
    beside.write_text(json.dumps(exports, indent=1), encoding="utf-8")
    beside.replace(file)


def short(token: str) -> str:
    """``machinelearningservices:Workspace`` of a full token."""
    return token.partition(":")[2] or token
