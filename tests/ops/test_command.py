"""How commands end: exit codes, one envelope, no stack trace."""

import argparse
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azure_client import CredentialError
from ops import command
from ops.command import OpsError, UsageError

# The others are told as where `python` is the one that runs them.
INTERPRETER = command.interpreter

ROOT = Path(__file__).resolve().parents[2]


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
        (KeyboardInterrupt(), 130, "test was interrupted: nothing was changed; go on with: python -m ops.test"),
        (HttpResponseError(), 1, "why: (Conflict) The name is taken."),
        (ServiceRequestError(), 1, "Azure cannot be reached"),
        (ClientAuthenticationError(), 1, "did not accept who you are"),
        (CredentialError("ARM_USE_OIDC is set"), 1, "why: ARM_USE_OIDC is set"),
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


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_local_proxy_that_refuses_is_a_sandbox_that_is_not_running(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://someone:key@{host}:1")
    told = command.explain(ServiceRequestError())
    assert isinstance(told, command.UnreachableError)
    assert told.what == "the local sandbox is not running"
    assert told.why == f"nothing answers at {host}:1, the proxy in HTTPS_PROXY"
    assert told.repair == "make up starts it"


@pytest.mark.parametrize("proxy", ["", "http://proxy.example.com:8080", "nonsense"])
def test_another_proxy_is_a_matter_of_the_network(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    assert command.explain(ServiceRequestError()).what == "Azure cannot be reached"


def test_a_local_proxy_that_answers_is_not_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert command.explain(ServiceRequestError()).what == "Azure cannot be reached"


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


@pytest.mark.parametrize("much", [10, 10**6])
def test_a_reader_that_has_seen_enough_is_no_defect(much: int, tmp_path: Path) -> None:
    """As with ``make lineage | head``."""
    script = (
        "import sys; from ops import command; "
        f"sys.exit(command.run(command.bare_parser('test', 'A test.'), lambda _: print('x' * {much}), []))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=writer, stderr=subprocess.PIPE, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "build").exists()


def test_sigterm_is_an_interruption() -> None:
    def main(_given: argparse.Namespace) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

    assert end(main) == 130


MADE = command.parser("test", "A test.", "half is done")


def next_of(*arguments: str, **wanted: Any) -> str:
    """The next command that a command prints when it is called with these."""
    told: list[str] = []
    name = wanted.pop("name", "rollback")
    command.run(MADE, lambda _: told.append(command.next_command(name, **wanted)), list(arguments))
    return told[0]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beneath make."""
    monkeypatch.setenv("MAKELEVEL", "1")


OF = ("--outputs", ".sandbox/outputs/prod.json", "--model", "wine")


def test_the_next_command_is_about_the_same_stack_and_model() -> None:
    assert next_of(*OF, lift=True) == "python -m ops.rollback --outputs .sandbox/outputs/prod.json --model wine --lift"
    shared = next_of("--outputs", "out.json", "--stack", "prod", name="rollout", to="v1", end_hold=True)
    assert shared == "python -m ops.rollout --outputs out.json --stack prod --to v1 --end-hold"


def test_a_release_is_told_with_its_apply(monkeypatch: pytest.MonkeyPatch) -> None:
    assert next_of(*OF, name="release", again=True).endswith("--model wine --apply COMMAND --again")
    monkeypatch.setattr(command, "_here", argparse.Namespace(outputs=Path("a b.json"), apply="pulumi up -y"))
    told = command.next_command("release")
    assert told == "python -m ops.release --outputs 'a b.json' --apply 'pulumi up -y'"


@pytest.mark.usefixtures("made")
def test_beneath_make_the_next_command_is_its_verb() -> None:
    assert next_of(*OF, lift=True) == "make rollback LIFT=1 MODEL=wine STACK=prod"
    assert next_of("--outputs", "dev.json", to="v1 x") == "make rollback TO='v1 x'", "dev is what make takes by itself"
    assert next_of(*OF, name="release") == "make up STACK=prod"


@pytest.mark.usefixtures("made")
def test_beneath_make_what_has_no_verb_is_told_in_full() -> None:
    """With what reaches the sandbox, whose variables the user's shell does not have."""
    full = "python -m sandbox run -- python -m ops.rollout --outputs .sandbox/outputs/prod.json --model wine --to v1"
    assert next_of(*OF, name="rollout", to="v1") == full


@pytest.mark.usefixtures("made")
def test_training_again_is_told_for_the_one_model_of_its_own_stack() -> None:
    assert next_of(*OF, name="release", again=True) == "make up AGAIN=1 MODEL=wine STACK=prod"
    own = {"outputs": ".sandbox/outputs/dev.json", "stack": "dev"}
    assert next_of(*OF, name="release", again=True, **own) == "make up AGAIN=1 MODEL=wine"


@pytest.mark.parametrize(
    ("runs", "on_path", "told"),
    [
        ("venv/bin/python", "venv/bin/python", "python"),
        ("venv/bin/python", "other/bin/python", "venv/bin/python"),
        ("venv/bin/python", "", "venv/bin/python"),
        ("with space/python", "", "'with space/python'"),
    ],
)
def test_a_command_is_told_with_the_interpreter_that_runs_it(
    runs: str, on_path: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for each in {runs, on_path} - {""}:
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        # One Python behind both: a virtual environment's is a link to it, and yet another one.
        (tmp_path / each).symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(tmp_path / runs))
    monkeypatch.setenv("PATH", str(Path(tmp_path / on_path).parent) if on_path else "")
    assert INTERPRETER() == told


def test_a_command_that_finds_its_model_says_so() -> None:
    told: list[str] = []

    def main(_given: argparse.Namespace) -> None:
        command.about("wine")
        told.append(command.next_command("abort"))

    command.run(MADE, main, ["--outputs", "dev.json"])
    assert told == ["python -m ops.abort --outputs dev.json --model wine"]


def interrupt(_given: argparse.Namespace) -> None:
    raise KeyboardInterrupt


def test_an_interruption_says_what_is_left_and_what_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(MADE, interrupt, list(OF)) == 130
    told = "error: test was interrupted: half is done; go on with: python -m ops.test " + " ".join(OF)
    assert capsys.readouterr().err.strip() == told


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("made_by", "arguments", "goes_on"),
    [
        ("ops.release", [*OF[:2], "--apply", "x"], "make up STACK=prod"),
        ("ops.rollback", [*OF, "--to", "v1", "--reason", "late nights"],
         "make rollback TO=v1 REASON='late nights' MODEL=wine STACK=prod"),
        ("ops.promote", ["--outputs", "dev.json", "--to-outputs", "prod.json", "--to-stack", "prod", "--reason", ""],
         "make up STACK=prod"),
        ("ops.release", [*OF[:2], "--apply", "x", "--again"], "make up AGAIN=1 STACK=prod"),
        ("ops.release", [*OF, "--apply", "x", "--again"], "make up AGAIN=1 MODEL=wine STACK=prod"),
        ("ops.data", ["--stack", "prod"], "make up STACK=prod"),
        ("ops.data", [], "make up"),
    ],
)  # fmt: skip
def test_beneath_make_an_interruption_says_the_verb(
    made_by: str, arguments: list[str], goes_on: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = importlib.import_module(made_by).parser()
    assert command.run(parser, interrupt, arguments) == 130
    assert capsys.readouterr().err.strip().endswith(f"; go on with: {goes_on}")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--unknown"], "error: the following arguments are required: --outputs"),
        (["--outputs", "x", "--unknown"], "error: unrecognized arguments: --unknown"),
        (["--outputs"], "error: argument --outputs: expected one argument"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_error_with_what_is_accepted(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run(MADE, lambda _: None, arguments) == 2
    assert capsys.readouterr().err.splitlines() == [
        says,
        "  why: it takes [--json] --outputs FILE [--stack NAME] [--model NAME]",
        "  do: python -m ops.test --help says what each is for",
    ]


def test_a_mistake_in_the_arguments_is_in_the_envelope(capsys: pytest.CaptureFixture[str]) -> None:
    assert end(lambda _: None, "--json", "--unknown") == 2
    envelope = json.loads(capsys.readouterr().out)
    assert (envelope["exit_code"], envelope["errors"][0]["what"]) == (2, "unrecognized arguments: --unknown")
