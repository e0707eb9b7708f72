"""The verbs that run a stack's program: up, preview, refresh, destroy; and what they show."""

import argparse
import json
import os
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from sandbox import launch
from sandbox.console import EXIT_FAILED, EXIT_OK, EXIT_USAGE, Console
from sandbox.doctor import NotReadyError, examine
from sandbox.engine import config
from sandbox.engine.events import Declared, Diagnostic, Event, Mode, Outcome, StepDone, StepStarted, Summary
from sandbox.home import Home
from sandbox.levels import Levels
from sandbox.provider import held
from sandbox.provider.base import ProviderError
from sandbox.provider.client import Client, Credential
from sandbox.values import shown

_STACK = "pulumi:pulumi:Stack"
_SIGNS = {
    "create": ("+", "green"), "update": ("~", "yellow"), "replace": ("±", "yellow"), "delete": ("-", "red"),
    "create-replacement": ("+±", "green"), "delete-replaced": ("-±", "red"), "forget": ("x", "yellow"),
    "recover": ("!", "blue"), "refresh": ("~", "blue"), "read": (">", "blue"),
}  # fmt: skip


class Progress:
    """Renders an engine's events. On a terminal a line at the bottom says what is under way and since when."""

    def __init__(self, console: Console, levels: Levels, mode: Mode) -> None:
        self._console = console
        self._levels = levels
        self._mode = mode
        self._running: dict[str, float] = {}
        self._lock = threading.Lock()
        self.errors: list[str] = []
        self.steps: list[dict[str, Any]] = []

    def __call__(self, event: Event) -> None:
        """Show one event; called from several threads."""
        with self._lock:
            if isinstance(event, StepStarted):
                self._running[event.urn] = time.monotonic()
            elif isinstance(event, StepDone):
                self._running.pop(event.urn, None)
                self._step(event)
            elif isinstance(event, Diagnostic):
                self._diagnostic(event)
            elif isinstance(event, Summary):
                self._summary(event)
            self._console.status(self._under_way())

    def _step(self, step: StepDone) -> None:
        name = step.urn.rsplit("::", 1)[-1]
        replaces = [path for path, change in step.changes.items() if change.replace]
        self.steps.append(
            {"op": step.op, "urn": step.urn, "type": step.type, "seconds": round(step.seconds, 3),
             "changes": list(step.changes), "replaces": replaces, "error": step.error}
        )  # fmt: skip
        level = self._levels.of(step.type)
        parts = step.op in ("create-replacement", "delete-replaced") and not step.error  # the `replace` says it all
        if step.op == "same" or parts or not level:  # a component is its parts
            return
        sign, colour = _SIGNS[step.op]
        why = f"  replaced because of {some(replaces)}" if replaces else ""
        if step.changes and not replaces:
            why = f"  changed: {some(list(step.changes))}"
        took = f"{step.seconds:6.1f} s" if self._mode in ("up", "destroy") else ""
        state = self._console.paint("FAILED", "red") if step.error else level
        self._console.line(
            f"  {self._console.paint(f'{sign:>2}', colour)} {short(step.type):<44} {name:<28} {took} {state}{why}"
        )

    def _diagnostic(self, diagnostic: Diagnostic) -> None:
        text = _told(diagnostic)
        if diagnostic.severity == "error":
            self.errors.append(text)
        else:
            self._console.line(f"  {self._console.paint(diagnostic.severity, 'yellow')}: {text}")

    def _summary(self, summary: Summary) -> None:
        self._running.clear()
        counts = {op: count for op, count in summary.changes.items() if count and op != "same"}
        would = "would be " if self._mode == "preview" else ""
        said = ", ".join(f"{count} {would}{_past(op)}" for op, count in counts.items()) or "0 changes"
        same = summary.changes.get("same", 0)
        self._console.line(f"  {said}; {same} unchanged; {summary.seconds:.1f} s")

    def _under_way(self) -> str:
        now = time.monotonic()
        return ", ".join(f"{urn.rsplit('::', 1)[-1]} {now - begun:.0f} s" for urn, begun in self._running.items())


class _Errors:
    """What a run that nobody looks at would say."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Diagnostic) and event.severity == "error":
            self.found.append(_told(event))


def _told(diagnostic: Diagnostic) -> str:
    where = " ".join(part for part in (diagnostic.where, diagnostic.urn) if part)
    return diagnostic.message + (f"\n  at {where}" if where else "")


def some(paths: list[str], most: int = 3) -> str:
    """The first few paths, and how many more there are."""
    return ", ".join(paths[:most]) + (f" and {len(paths) - most} more" if len(paths) > most else "")


def short(token: str) -> str:
    """``machinelearningservices:Workspace`` of a full token."""
    return token.partition(":")[2] or token


def _past(op: str) -> str:
    return {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted"}.get(op, op)


def run(options: argparse.Namespace, console: Console, home: Home, mode: Mode) -> tuple[int, Any]:
    """Run the program in the working directory for one stack; returns the exit code and the result.

    Raises:
        NotReadyError, ConfigError, StackLockedError, StateError, LaunchError: each says what to do.
    """
    _look_before(home, options)
    if mode == "destroy" and not _agreed(options, console, home):
        return EXIT_USAGE, None
    offline = not _join(home, console, start=mode != "preview")
    from sandbox.engine import run as engine  # imports Pulumi: only after the gateway is on its way

    console.line(f"{mode} of stack {options.stack}")
    progress = Progress(console, Levels(home), mode)
    request = engine.Request(mode, Path.cwd(), options.stack, home, offline=offline)
    if mode == "up" and held.everything(home.database):
        # Some names are still taken. To find that out in the middle would leave half a stack.
        errors = _Errors()
        if not engine.run(replace(request, mode="preview"), errors).ok:
            for text in errors.found:
                console.error(text)
            console.line("  nothing was made or changed")
            return EXIT_FAILED, None
    outcome = engine.run(request, progress)
    console.status("")
    for text in progress.errors:
        console.error(text)
    if not outcome.ok and not offline and launch.running(home) is None:
        console.error(
            f"the sandbox's gateway stopped meanwhile; its log is {home.logs / 'gateway.log'}. Go on with the same "
            "command: it starts the gateway again"
        )
    _write_files(options, outcome)
    result = {
        "changes": dict(outcome.changes),
        "steps": progress.steps,
        "outputs": shown(outcome.outputs),
    }
    if outcome.mistaken:
        console.line("  nothing was made or changed")
        return EXIT_USAGE, result
    return (EXIT_OK if outcome.ok else EXIT_FAILED), result


def _join(home: Home, console: Console, *, start: bool) -> bool:
    """Give the program the sandbox's environment; returns whether a gateway can be asked.

    A preview asks one that runs and starts none.
    """
    begun, before = time.monotonic(), launch.last_port(home)
    server, started = launch.ensure(home) if start else (launch.running(home), False)
    variables = launch.client_environment(home, server) if server else launch.program_environment(home)
    live = os.environ.get(launch.LIVE)
    os.environ.update(variables)
    if live:
        os.environ[launch.LIVE] = live
    if server and started:
        console.line(f"gateway ready on 127.0.0.1:{server.port} ({time.monotonic() - begun:.1f} s)")
        if before not in (0, server.port):
            console.line(
                f"  another program has port {before} now; in shells that used it: "
                'eval "$(.venv/bin/python -m sandbox env)"'
            )
    return server is not None


def _agreed(options: argparse.Namespace, console: Console, home: Home) -> bool:
    """Say what a destroy takes, in its order, and ask. What nothing stands for is not asked about."""
    from sandbox.engine.deleting import waves
    from sandbox.engine.journal import Journal

    journal = Journal.open(home, options.stack, write=False)
    journal.close(good=False)
    doomed = {(urn, 0): each for urn, each in journal.current.items()} | journal.retired
    taken = [
        each for wave in waves(doomed.items()) for _, each in wave
        if each.custom and not each.type.startswith("pulumi:")
    ]  # fmt: skip
    if not taken:
        return True
    console.line(f"destroy of stack {options.stack} takes {len(taken)} resources, in this order:")
    for each in taken:
        stays = "stays in the cloud" if each.retain_on_delete or each.external else ""
        along = f"goes with {each.deleted_with.rpartition('::')[2]}" if each.deleted_with else ""
        console.line(f"   - {short(each.type):<44} {each.urn.rpartition('::')[2]:<28} {stays or along}".rstrip())
    if options.yes or (sys.stdin.isatty() and input("go on? [y/N] ").strip().lower() == "y"):
        return True
    console.error(
        f"not destroyed; to destroy without being asked: python -m sandbox destroy --stack {options.stack} --yes"
    )
    return False


def _of_azure(outcome: Outcome) -> list[Declared]:
    """What a cloud's provider makes: nobody has a type to hold the inputs of anything else against."""
    return [each for each in outcome.declared if not each.type.startswith(("pulumi-python:", "pulumi:"))]


def _look_before(home: Home, options: argparse.Namespace) -> None:
    """Find every trouble with the machine, the state and the stack's configuration before anything is begun."""
    troubles = [f"{each.name}: {each.says}" for each in examine(home) if not each.ok]
    try:
        config.load(Path.cwd(), options.stack)
    except config.ConfigError as error:
        if not troubles:
            raise
        troubles += error.problems
    if troubles:
        raise NotReadyError(troubles)


def _write_files(options: argparse.Namespace, outcome: Outcome) -> None:
    if isinstance(declared := getattr(options, "json", None), str):
        rows = [{"urn": each.urn, "type": each.type, "inputs": shown(each.inputs)} for each in _of_azure(outcome)]
        Path(declared).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    # What a run that failed could say of the stack is not what the stack is.
    if outcome.ok and (outputs := getattr(options, "outputs", None)):
        beside = Path(f"{outputs}.new")
        beside.write_text(json.dumps(shown(outcome.outputs), indent=1), encoding="utf-8")
        beside.replace(outputs)


def free_names(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    """Purge what stacks deleted and what still holds its name, after saying what that is."""
    taken = held.everything(home.database)
    for each in taken:
        console.line(f"   - {each.path.split('/')[7]:<12} {each.name:<28} deleted {each.deleted[:10]}")
    if not taken:
        console.line("nothing to purge: no name is taken by what was deleted")
        return EXIT_OK, {"purged": []}
    if not options.yes and not (sys.stdin.isatty() and input("go on? [y/N] ").strip().lower() == "y"):
        console.error("not purged; to purge without being asked: python -m sandbox purge --deleted --yes")
        return EXIT_USAGE, None
    _join(home, console, start=True)
    code, purged = EXIT_OK, []
    if credential := Credential.find({}):
        client = Client(credential)
        for each in taken:
            try:
                held.free(client, each)
                purged.append(each.name)
            except ProviderError as error:
                code = EXIT_FAILED
                console.error(str(error))
        client.close()
    console.line(f"{len(purged)} purged")
    return code, {"purged": purged}


def status(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    """What the stack has, by type and depth, and what it exports; reads the state, needs no gateway."""
    from sandbox.engine.journal import Journal

    if not home.database.exists():
        console.line(f"nothing has come up in {home.root} yet; begin with: make up")
        return EXIT_OK, {"resources": [], "outputs": {}, "gateway": None}
    journal = Journal.open(home, options.stack, write=False)
    journal.close(good=False)
    # A provider is how the others are reached; the stack is what they are in.
    resources = [each for each in journal.current.values() if each.custom and not each.type.startswith("pulumi:")]
    levels = Levels(home)
    for kind, count in sorted(Counter(each.type for each in resources).items()):
        console.line(f"  {short(kind):<44} {count:>3}  {levels.of(kind)}")
    outputs = shown(next((each.outputs for each in journal.current.values() if each.type == _STACK), {}))
    server = launch.running(home)
    where = (
        f"answers on 127.0.0.1:{server.port} since {server.since}"
        if server
        else "is not running; start it with: make up"
    )
    others = len(journal.current) - len(resources)
    console.line(
        f"{len(resources)} resources in stack {options.stack}, and {others} that group them; the gateway {where}"
    )
    rows = [{"urn": each.urn, "type": each.type, "id": each.id, "level": levels.of(each.type)} for each in resources]
    return EXIT_OK, {"resources": rows, "outputs": outputs, "gateway": vars(server) if server else None}
