"""How commands end: exit codes, one envelope, no stack trace."""

import argparse
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops import command
from ops.command import OpsError, UsageError


def end(main: Callable[[argparse.Namespace], Any], *arguments: str) -> int:
    return command.run(command.bare_parser("test", "A test."), main, list(arguments))


def failing(error: BaseException) -> Callable[[argparse.Namespace], Any]:
    def main(_given: argparse.Namespace) -> Any:
        raise error

    return main


class HttpResponseError(Exception):
    """Named and placed as azure-core's."""

    __module__ = "azure.core.exceptions"
    message = "(Conflict) The name is taken.\nCode: Conflict"


class ServiceRequestError(HttpResponseError):
    __module__ = "azure.core.exceptions"
    message = "connection refused"


class ClientAuthenticationError(HttpResponseError):
    __module__ = "azure.core.exceptions"
    message = "AADSTS7000215: Invalid client secret"


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (OpsError("the gate said no", why="status 500", repair="read the log", log="a.log"), 1, "log: a.log"),
        (UsageError("no such file"), 2, "error: no such file"),
        (KeyboardInterrupt(), 130, "goes on from where it was"),
        (HttpResponseError(), 1, "why: (Conflict) The name is taken."),
        (ServiceRequestError(), 1, "Azure cannot be reached"),
        (ClientAuthenticationError(), 1, "did not accept who you are"),
        (ZeroDivisionError("division by zero"), 1, "log: build/ops-error.log"),
    ],
)
def test_every_failure_has_an_exit_code_and_words(
    error: BaseException, code: int, says: str,
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert end(failing(error)) == code
    out, err = capsys.readouterr()
    assert says in err
    assert "Traceback" not in err
    assert out == ""


def test_a_defect_leaves_its_stack_trace_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    end(failing(ZeroDivisionError("division by zero")))
    assert "ZeroDivisionError" in (tmp_path / "build/ops-error.log").read_text(encoding="utf-8")


def test_json_is_one_envelope_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert end(lambda _: {"model": "m:1"}, "--json") == 0
    envelope = json.loads(capsys.readouterr().out)
    assert envelope == {
        "command": "python -m ops.test",
        "ok": True,
        "exit_code": 0,
        "result": {"model": "m:1"},
        "errors": [],
    }


def test_json_of_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert end(failing(UsageError("bad", repair="better")), "--json") == 2
    envelope = json.loads(capsys.readouterr().out)
    assert (envelope["ok"], envelope["exit_code"], envelope["result"]) == (False, 2, None)
    assert envelope["errors"] == [{"what": "bad", "why": "", "repair": "better", "log": ""}]


def test_sigterm_is_an_interruption() -> None:
    def main(_given: argparse.Namespace) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

    assert end(main) == 130


def test_wrong_arguments_end_with_2() -> None:
    with pytest.raises(SystemExit) as failure:
        end(lambda _: None, "--unknown")
    assert failure.value.code == 2
