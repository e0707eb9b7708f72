"""How every command here ends: exit codes, messages without stack traces, one JSON envelope, and what to run next."""

import argparse
import json
import os
import select
import shlex
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import urlsplit

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

TRACE_FILE = Path("build/ops-error.log")

# The verb of make that runs a command; `make up` runs several.
_VERBS = {
    **{verb: verb for verb in ("status", "versions", "lineage", "rollback", "abort", "retire")},
    **dict.fromkeys(("data", "live", "promote", "release"), "up"),
}
# Options that are variables of make, in capitals, beside model and stack.
_VARIABLES = frozenset({"again", "lift", "to", "data", "reason"})
_PLACE = ("outputs", "stack", "model", "apply")
_DEFAULT_STACK = "dev"

_LOOPBACK = ("127.0.0.1", "localhost", "::1")

# What this process was called with: the next command is about the same stack and model.
_here = argparse.Namespace()


class OpsError(Exception):
    """A command cannot go on.

    Attributes:
        what: what failed, with the value that was found.
        why: the reason, in the words of whoever refused.
        repair: what to do, with the command to run.
        log: where the log is.
    """

    exit_code = FAILED

    def __init__(self, what: str, *, why: str = "", repair: str = "", log: str = "") -> None:
        super().__init__(what)
        self.what, self.why, self.repair, self.log = what, why, repair, log

    def __str__(self) -> str:
        parts = (("why", self.why), ("do", self.repair), ("log", self.log))
        return "\n".join([f"error: {self.what}", *(f"  {name}: {text}" for name, text in parts if text)])


class UsageError(OpsError):
    """Wrong arguments or configuration: nothing was started."""

    exit_code = USAGE


class UnreachableError(OpsError):
    """Azure cannot be reached: whatever is tried next ends the same."""


class SomeFailedError(OpsError):
    """Some of several independent things failed; each was printed when it happened.

    Attributes:
        failed: by what they failed at.
        result: of those that did not fail.
    """

    def __init__(self, what: str, failed: dict[str, OpsError], result: dict[str, Any]) -> None:
        super().__init__(f"{what}: {', '.join(failed)}", repair="each says above what to do about it")
        self.failed, self.result = failed, result


class Terminated(KeyboardInterrupt):
    """SIGTERM, which a pipeline sends to a cancelled job: it takes the same way out as Ctrl-C."""


class Parser(argparse.ArgumentParser):
    """Takes a mistake in the arguments for what it is in every command: an error with what is accepted.

    Attributes:
        left: what an interruption of the command leaves.
    """

    left: str

    def error(self, message: str) -> NoReturn:
        """Raises instead of printing how the command is used and leaving."""
        takes = []
        for action in self._actions:
            if not isinstance(action, argparse._HelpAction):  # noqa: SLF001 - argparse has no other way to tell it
                value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
                text = f"{action.option_strings[0]}{value}"
                takes.append(text if action.required else f"[{text}]")
        raise UsageError(
            message, why=f"it takes {' '.join(takes)}", repair=f"{_typed(self.prog)} --help says what each is for"
        )


def bare_parser(module: str, summary: str, left: str = "nothing was changed") -> Parser:
    """An argument parser with what every command takes.

    Args:
        module: of the command.
        summary: of what it does.
        left: what an interruption leaves.
    """
    made = Parser(
        prog=f"python -m ops.{module}",
        description=summary,
        epilog="Exit codes: 0 done, 1 a check, a gate or Azure said no, 2 wrong arguments or configuration, "
        "130 interrupted.",
    )
    made.left = left
    made.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    return made


def parser(module: str, summary: str, left: str = "nothing was changed") -> Parser:
    """The same for a command that works on what a stack made."""
    made = bare_parser(module, summary, left)
    made.add_argument(
        "--outputs", type=Path, required=True, metavar="FILE",
        help="the stack's outputs as JSON, as `pulumi stack output --json` prints them",
    )  # fmt: skip
    made.add_argument("--stack", metavar="NAME", help="name of the stack (default: that of the file of outputs)")
    made.add_argument("--model", metavar="NAME", help="one of the stack's models (may be left out when it is the only)")
    return made


def beneath_make() -> bool:
    """True where make runs this command: then its user knows verbs of make, and no file of outputs."""
    return "MAKELEVEL" in os.environ


def about(model: str | None) -> None:
    """Says which model the next commands are about from here on."""
    _here.model = model


def next_command(command: str, **options: str | bool) -> str:
    """How a command is run next, on the stack and the model that this one is about.

    Args:
        command: the module's name.
        **options: of that command; True for one without a value. Those of ``_PLACE`` are this command's own, unless
            they are given.
    """
    place = {name: str(options.pop(name, None) or getattr(_here, name, None) or "") for name in _PLACE}
    place["outputs"] = place["outputs"] or "FILE"
    named = Path(place["outputs"]).stem
    if beneath_make() and command in _VERBS and options.keys() <= _VARIABLES:
        return _verb(_VERBS[command], options, place["model"], place["stack"] or named)
    if place["stack"] == named:
        place["stack"] = ""
    # These two cannot do without it.
    place["apply"] = (place["apply"] or "COMMAND") if command in ("release", "retire") else ""
    told = [_flag(name, value) for name, value in {**place, **options}.items() if value]
    python = interpreter()
    # The shell that make was called from does not have the variables that lead to the sandbox.
    through = [python, "-m", "sandbox", "run", "--"] if beneath_make() else []
    return " ".join([*through, python, "-m", f"ops.{command}", *told])


def interpreter() -> str:
    """What runs this, as a user types it: ``python`` where that is the one on PATH, else its path."""
    found = shutil.which("python")
    return "python" if found and Path(found).absolute() == Path(sys.executable).absolute() else shlex.quote(program())


def program() -> str:
    """The path of the Python that runs this, from the working directory where it is below that."""
    runs, here = Path(sys.executable).absolute(), Path.cwd()
    return str(runs.relative_to(here) if runs.is_relative_to(here) else runs)


def _typed(prog: str) -> str:
    return f"{interpreter()} {prog.partition(' ')[2]}"


def option(name: str, value: str | bool = True) -> str:
    """An option of this command as its user types it: a variable beneath make, a flag elsewhere."""
    return _variable(name, value) if beneath_make() else _flag(name, value)


def _verb(verb: str, options: dict[str, str | bool], model: str, stack: str) -> str:
    # Of the models of a stack `make up` finds out by itself what is to be done; what trains again has to be named.
    named = verb != "up" or "again" in options
    place = {"model": model if named else "", "stack": "" if stack in (_DEFAULT_STACK, "FILE") else stack}
    told = [_variable(name, value) for name, value in {**options, **place}.items() if value]
    return " ".join(["make", verb, *told])


def _variable(name: str, value: str | bool) -> str:
    return f"{name.upper()}={'1' if value is True else shlex.quote(str(value))}"


def _flag(name: str, value: str | bool) -> str:
    return f"--{name.replace('_', '-')}" + ("" if value is True else f" {shlex.quote(str(value))}")


def stack_of(given: argparse.Namespace) -> str:
    """The stack's name: given, or that of the file of its outputs."""
    return str(given.stack or given.outputs.stem)


def seconds(text: str) -> float:
    """A positive number of seconds, as an argument."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: want a number of seconds above 0")
    return value


def run(made: Parser, main: Callable[[argparse.Namespace], Any], arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit code.

    Progress and errors go to standard error; standard output holds the result and nothing else. With ``--json`` it is
    one envelope: ``{"command", "ok", "exit_code", "result", "errors"}``.
    """
    words = sys.argv[1:] if arguments is None else arguments
    given = argparse.Namespace(json="--json" in words)
    try:
        given = made.parse_args(words)
        _here.__dict__ = {name: value for name, value in vars(given).items() if name in _PLACE}
        signal.signal(signal.SIGTERM, _terminate)
        result = main(given)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _fail(made.prog, given, interrupted(made, given, words), INTERRUPTED)
    except OpsError as error:
        return _fail(made.prog, given, error, error.exit_code)
    except Exception as error:  # noqa: BLE001 - the one place where nothing may pass
        if isinstance(error, BrokenPipeError) and _unread():
            return DONE
        return _fail(made.prog, given, explain(error), FAILED)
    if given.json:
        _envelope(made.prog, DONE, result, [])
    return DONE


def _unread() -> bool:
    """True where the reader of the result has seen enough, as ``head`` does; nothing more is written then."""
    look = select.poll()
    look.register(sys.stdout.fileno(), 0)
    if not look.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def interrupted(made: Parser, given: argparse.Namespace, words: list[str]) -> OpsError:
    """What was interrupted, what that leaves, and the command that goes on: one sentence in every command."""
    name = made.prog.rpartition(".")[2]
    if beneath_make() and name in _VERBS:
        # Of the models that are worked on, those that its user has named.
        about(getattr(given, "model", None))
        options = {key: value for key, value in vars(given).items() if key in _VARIABLES and value}
        # A promotion belongs to the `up` of the stack that it goes to.
        stack = {"stack": given.to_stack} if "to_stack" in given else {}
        again = next_command(name, **options, **stack)
    else:
        again = f"{_typed(made.prog)} {shlex.join(words)}".rstrip()
    return OpsError(f"{name} was interrupted: {made.left}; go on with: {again}")


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise Terminated


def _fail(command: str, given: argparse.Namespace, error: OpsError, exit_code: int) -> int:
    print(error, file=sys.stderr)
    if given.json:
        result = error.result if isinstance(error, SomeFailedError) else None
        failed = error.failed.values() if isinstance(error, SomeFailedError) else [error]
        told = [{"what": each.what, "why": each.why, "repair": each.repair, "log": each.log} for each in failed]
        _envelope(command, exit_code, result, told)
    return exit_code


def _envelope(command: str, exit_code: int, result: Any, errors: list[dict[str, str]]) -> None:
    envelope = {"command": command, "ok": exit_code == DONE, "exit_code": exit_code, "result": result, "errors": errors}
    print(json.dumps(envelope, indent=2))


def explain(error: Exception) -> OpsError:
    """Azure's and the network's own errors in our words; anything else is a defect, kept in a file."""
    name = type(error).__name__
    origin = type(error).__module__.partition(".")[0]
    message = str(getattr(error, "message", "") or error).strip()
    first = message.splitlines()[0] if message else name
    if name in ("ClientAuthenticationError", "CredentialUnavailableError", "CredentialError"):
        return OpsError(
            "Azure did not accept who you are", why=first, repair="sign in (`az login`), or set ARM_CLIENT_ID and "
            "ARM_TENANT_ID with ARM_CLIENT_SECRET or ARM_USE_OIDC=true, as for an update",
        )  # fmt: skip
    if name in ("ServiceRequestError", "ServiceResponseError", "ConnectionError", "ProxyError", "SSLError", "Timeout"):
        if proxy := _closed_proxy():
            return UnreachableError(
                "the local sandbox is not running", why=f"nothing answers at {proxy}, the proxy in HTTPS_PROXY",
                repair="make up starts it",
            )  # fmt: skip
        return UnreachableError(
            "Azure cannot be reached", why=first,
            repair="check the network and the HTTPS_PROXY variable, then run the same command again",
        )  # fmt: skip
    if origin in ("azure", "requests", "marshmallow"):
        return OpsError(f"Azure refused ({name})", why=first, repair="correct what it names and run it again")
    TRACE_FILE.parent.mkdir(parents=True, exist_ok=True)
    TRACE_FILE.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return OpsError(f"defect in this command ({name})", why=first, repair="report it with the log", log=str(TRACE_FILE))


def _closed_proxy() -> str:
    """Where the proxy should be, when that is on this machine and nothing listens there; '' otherwise."""
    try:
        place = urlsplit(os.environ.get("HTTPS_PROXY", ""))
        if place.hostname not in _LOOPBACK or place.port is None:
            return ""
        socket.create_connection((place.hostname, place.port), timeout=1).close()
    except ConnectionRefusedError:
        return place.netloc.rpartition("@")[2]
    except (OSError, ValueError):
        pass
    return ""
