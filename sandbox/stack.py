"""The verbs that run a stack's program: up, preview, refresh, destroy; and what they show."""

import argparse
import json
import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox import launch, others
from sandbox.console import EXIT_FAILED, EXIT_OK, EXIT_USAGE, Console
from sandbox.doctor import NotReadyError, examine
from sandbox.engine import config
from sandbox.engine.events import Declared, Diagnostic, Event, Mode, Outcome, StepDone, StepStarted, Summary
from sandbox.home import Home
from sandbox.levels import Levels
from sandbox.provider import held
from sandbox.provider.base import ProviderError
from sandbox.provider.client import Client, Credential
from sandbox.state import read, short, write_outputs
from sandbox.values import shown

if TYPE_CHECKING:
    from sandbox.engine.state import Resource

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
        kind = f"{self._console.paint(f'{sign:>2}', colour)} {kind_of(step.urn, step.type):<44}"
        self._console.line(f"  {kind} {name:<28} {took} {state}{why}")

    def _diagnostic(self, diagnostic: Diagnostic) -> None:
        text = _told(diagnostic)
        if diagnostic.severity == "error":
            self.errors.append(text)
        else:
            self._console.line(f"  {self._console.paint(diagnostic.severity, 'yellow')}: {text}")

    def _summary(self, summary: Summary) -> None:
        self._running.clear()
        if not summary.ok and not summary.changes:
            return  # refused before anything was looked at
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


def kind_of(urn: str, token: str) -> str:
    """The short type of a row. One that only says how a thing is made also says of what: many parts are made alike."""
    around = urn.split("::")[2].split("$")[:-1]
    what = around[-1].rpartition(":")[2] if around and token.startswith("pulumi-python:") else ""
    return f"{short(token)}({what})" if what else short(token)


def _past(op: str) -> str:
    return {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted"}.get(op, op)


def run(options: argparse.Namespace, console: Console, home: Home, mode: Mode) -> tuple[int, Any]:
    """Run the program in the working directory for one stack; returns the exit code and the result.

    Raises:
        NotReadyError, ConfigError, StackLockedError, StateError, LaunchError: each says what to do.
    """
    _look_before(home, options, console)
    if mode == "destroy" and (code := _refused(options, console, home)):
        return code, None
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
    if mode == "preview":
        _lost_live_file(options, console, progress)
    for text in progress.errors:
        console.error(text)
    if not outcome.ok and not offline and launch.running(home) is None:
        console.error(
            f"the sandbox's gateway stopped meanwhile; its log is {home.logs / 'gateway.log'}. Go on with the same "
            "command: it starts the gateway again"
        )
    _write_files(options, outcome)
    if mode == "destroy" and outcome.ok:
        _forget_files(options, console, home)
    result = {
        "changes": dict(outcome.changes),
        "steps": progress.steps,
        "outputs": shown(outcome.outputs),
    }
    if outcome.mistaken:
        console.line("  nothing was made or changed")
        return EXIT_USAGE, result
    return (EXIT_OK if outcome.ok else EXIT_FAILED), result


def _lost_live_file(options: argparse.Namespace, console: Console, progress: Progress) -> None:
    """Say why deployments would go where the file that names them is not there."""
    file = Path(os.environ[launch.LIVE]) / f"{options.stack}.yaml"
    gone = [
        each for each in progress.steps if each["op"] == "delete" and each["type"].endswith("services:OnlineDeployment")
    ]
    if gone and not file.exists():
        console.line(
            f"  {console.paint('warning', 'yellow')}: {file}, which names what is live, is missing: only therefore "
            f"{some([each['urn'].rpartition('::')[2] for each in gone])} would be deleted. make up writes the file "
            "again, from what runs, before anything else"
        )


def _join(home: Home, console: Console, *, start: bool) -> bool:
    """Give the program the sandbox's environment; returns whether a gateway can be asked.

    A preview asks one that runs and starts none.
    """
    begun, before = time.monotonic(), launch.last_port(home)
    server, started = launch.ensure(home) if start else (launch.running(home), False)
    variables = launch.client_environment(home, server) if server else launch.program_environment(home)
    live = os.environ.get(launch.LIVE)
    own = launch.program_environment(home)
    foreign = [
        name for name in own
        if name != launch.LIVE and os.environ.get(name, own[name]).lower() not in ("", own[name])
    ]  # fmt: skip
    if foreign:
        console.line(f"  info: {', '.join(foreign)}: not used; in the sandbox its own ids take their place")
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


def _refused(options: argparse.Namespace, console: Console, home: Home) -> int:
    """Say what a destroy takes, in its order, and ask; 0 to go on. What nothing stands for is not asked about."""
    from sandbox.engine.deleting import waves

    journal = read(home, options.stack)
    doomed = {(urn, 0): each for urn, each in journal.current.items()} | journal.retired
    taken = [
        each for wave in waves(doomed.items()) for _, each in wave
        if each.custom and not each.type.startswith("pulumi:")
    ]  # fmt: skip
    if not taken:
        return EXIT_OK
    console.line(f"destroy of stack {options.stack} takes {len(taken)} resources, in this order:")
    for each in taken:
        stays = "stays in the cloud" if each.retain_on_delete or each.external else ""
        along = f"goes with {each.deleted_with.rpartition('::')[2]}" if each.deleted_with else ""
        said = "is protected" if each.protect else stays or along
        console.line(f"   - {short(each.type):<44} {_name(each):<28} {said}".rstrip())
    if protected := [_name(each) for each in taken if each.protect]:
        console.error(
            f"nothing was destroyed: {len(protected)} of them are protected ({some(protected)}). To lift that: "
            f"`protect_data: false` under mlops:platform in Pulumi.{options.stack}.yaml, commit it, then: make up "
            f"STACK={options.stack}, then: make destroy STACK={options.stack}"
        )
        return EXIT_FAILED
    _tell_others(options, console, home, taken)
    if options.yes or (sys.stdin.isatty() and input("go on? [y/N] ").strip().lower() == "y"):
        return EXIT_OK
    console.error(
        "not destroyed; to destroy without being asked: "
        f".venv/bin/python -m sandbox destroy --stack {options.stack} --yes"
    )
    return EXIT_USAGE


def _tell_others(options: argparse.Namespace, console: Console, home: Home, taken: list["Resource"]) -> None:
    """What other stacks lose, and how each has it back."""
    warning = console.paint("warning", "yellow")
    going = [each.id for each in taken if not (each.retain_on_delete or each.external)]
    lost = others.inside(home, options.stack, going)
    for stack, resources in lost.items():
        # Without its own roles a stack comes up again as it is; what else it lost its live file still names.
        roles = all(each.type.endswith("authorization:RoleAssignment") for each in resources)
        repair = (
            f"once stack {options.stack} is up again: .venv/bin/python -m sandbox refresh --stack {stack}, then: "
            f"make up STACK={stack}" if roles
            else f"destroy that stack first: make destroy STACK={stack}"
        )  # fmt: skip
        console.line(f"  {warning}: these of stack {stack} lie inside and go too; {repair}")
        for each in resources:
            console.line(f"   - {short(each.type):<44} {_name(each)}")
    registries = [each.id.rpartition("/")[2] for each in taken if each.type.endswith("services:Registry")]
    told = [each.id for resources in (taken, *lost.values()) for each in resources]
    for line in others.serving_from(home.database, registries, told) if registries else ():
        console.line(f"  {warning}: {line}, which goes too: promote it again before it is deployed again")


def _name(resource: "Resource") -> str:
    return resource.urn.rpartition("::")[2]


def _forget_files(options: argparse.Namespace, console: Console, home: Home) -> None:
    """What is gone exports nothing and has nothing live: the next `up` begins afresh."""
    files = [home.outputs / f"{options.stack}.json", home.live / f"{options.stack}.yaml"]
    gone = [str(each) for each in files if each.exists()]
    for each in files:
        each.unlink(missing_ok=True)
    if gone:
        console.line(f"  removed with it: {', '.join(gone)}")


def _of_azure(outcome: Outcome) -> list[Declared]:
    """What a cloud's provider makes: nobody has a type to hold the inputs of anything else against."""
    return [each for each in outcome.declared if not each.type.startswith(("pulumi-python:", "pulumi:"))]


def _look_before(home: Home, options: argparse.Namespace, console: Console) -> None:
    """Find every trouble with the machine, the state and the stack's configuration before anything is begun."""
    findings = examine(home)
    troubles = [f"{each.name}: {each.says}" for each in findings if not each.ok]
    for each in findings:
        if each.lacks:
            console.line(f"note: {each.name}: {each.says}")
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
        write_outputs(outputs, shown(outcome.outputs))


def free_names(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    """Purge what stacks deleted and what still holds its name, after saying what that is."""
    taken = held.everything(home.database)
    for each in taken:
        console.line(f"   - {each.path.split('/')[7]:<12} {each.name:<28} deleted {each.deleted[:10]}")
    if not taken:
        console.line("nothing to purge: no name is taken by what was deleted")
        return EXIT_OK, {"purged": []}
    if not options.yes and not (sys.stdin.isatty() and input("go on? [y/N] ").strip().lower() == "y"):
        console.error("not purged; to purge without being asked: .venv/bin/python -m sandbox purge --deleted --yes")
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
                console.error(f"{error} Instead: {held.WAY_OUT}" if each.protected else str(error))
        client.close()
    console.line(f"{len(purged)} purged")
    return code, {"purged": purged}
