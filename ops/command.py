"""How every command here ends: exit codes, messages without stack traces, one JSON envelope."""

import argparse
import json
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

TRACE_FILE = Path("build/ops-error.log")


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


def bare_parser(module: str, summary: str) -> argparse.ArgumentParser:
    """An argument parser with what every command takes."""
    made = argparse.ArgumentParser(
        prog=f"python -m ops.{module}",
        description=summary,
        epilog="Exit codes: 0 done, 1 a check, a gate or Azure said no, 2 wrong arguments or configuration, "
        "130 interrupted.",
    )
    made.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    return made


def parser(module: str, summary: str) -> argparse.ArgumentParser:
    """The same for a command that works on what a stack made."""
    made = bare_parser(module, summary)
    made.add_argument(
        "--outputs", type=Path, required=True, metavar="FILE",
        help="the stack's outputs as JSON, as `pulumi stack output --json` prints them",
    )  # fmt: skip
    made.add_argument("--stack", metavar="NAME", help="name of the stack (default: that of the file of outputs)")
    made.add_argument("--model", metavar="NAME", help="one of the stack's models (may be left out when it is the only)")
    return made


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


def run(
    made: argparse.ArgumentParser, main: Callable[[argparse.Namespace], Any], arguments: list[str] | None = None
) -> int:
    """Runs a command and returns its exit code.

    Progress and errors go to standard error; standard output holds the result and nothing else. With ``--json`` it is
    one envelope: ``{"command", "ok", "exit_code", "result", "errors"}``.
    """
    given = made.parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        result = main(given)
    except KeyboardInterrupt:
        error = OpsError("interrupted", repair="run the same command again; it goes on from where it was")
        return _fail(made.prog, given, error, INTERRUPTED)
    except OpsError as error:
        return _fail(made.prog, given, error, error.exit_code)
    except Exception as error:  # noqa: BLE001 - the one place where nothing may pass
        return _fail(made.prog, given, explain(error), FAILED)
    if given.json:
        _envelope(made.prog, DONE, result, [])
    return DONE


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
    if name == "ClientAuthenticationError" or name == "CredentialUnavailableError":
        return OpsError(
            "Azure did not accept who you are", why=first, repair="sign in (`az login`) or set AZURE_CLIENT_ID, "
            "AZURE_TENANT_ID and AZURE_CLIENT_SECRET",
        )  # fmt: skip
    if name in ("ServiceRequestError", "ServiceResponseError", "ConnectionError", "ProxyError", "SSLError", "Timeout"):
        return OpsError(
            "Azure cannot be reached", why=first,
            repair="check the network and the HTTPS_PROXY variable, then run the same command again",
        )  # fmt: skip
    if origin in ("azure", "requests", "marshmallow"):
        return OpsError(f"Azure refused ({name})", why=first, repair="correct what it names and run it again")
    TRACE_FILE.parent.mkdir(parents=True, exist_ok=True)
    TRACE_FILE.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return OpsError(f"defect in this command ({name})", why=first, repair="report it with the log", log=str(TRACE_FILE))
