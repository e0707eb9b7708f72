"""How an endpoint is called: lines that work when they are pasted, and keys that stay where they belong."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ops import command
from ops import endpoint as module
from ops.command import OpsError, UsageError
from ops.endpoint import Call, ask
from ops.scoring import Answer
from tests.ops.conftest import OUTPUTS
from tests.ops.fakes import FakeWorkspace

CALL = Call(Path("out/dev.json"), "flight-delay", Path("ml_jobs/flight_delay/sample_request.json"))
URI = "https://flight-delay.example/score"


class Scorer:
    def __init__(self, status: int) -> None:
        self.status = status
        self.asked: list[tuple[Any, str | None]] = []

    def ask(self, request: Any, deployment: str | None = None) -> Answer:
        self.asked.append((request, deployment))
        return Answer(status=self.status, body={"predictions": []}, seconds=0)


def stub(folder: Path, name: str, says: str = "") -> None:
    """A program that writes down its arguments and its standard input."""
    path = folder / name
    path.write_text(f'#!/bin/bash\nprintf "%s\\n" "$@" > {folder}/{name}.arguments\n{says}\n', encoding="utf-8")
    path.chmod(0o755)


def pasted(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a line as the plainest shell does."""
    stub(folder, "curl", f"cat > {folder}/curl.stdin")
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    subprocess.run(["sh", "-c", line], check=True, cwd=folder)


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    stub(tmp_path, "python", 'echo "Authorization: Bearer secret"')
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    return tmp_path


@pytest.mark.parametrize("before", [None, "eval \"$(echo export FROM_BEFORE='a b')\""])
def test_the_curl_line_works_and_its_arguments_hold_no_key(
    python: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    call = Call(CALL.outputs, CALL.model, CALL.request, before)
    pasted(call.curl(URI), python, monkeypatch)
    arguments = (python / "curl.arguments").read_text(encoding="utf-8").splitlines()
    assert (python / "curl.stdin").read_text(encoding="utf-8") == "Authorization: Bearer secret\n"
    assert "secret" not in " ".join(arguments)
    assert arguments[-1] == URI
    assert "Content-Type: application/json" in arguments
    assert f"@{CALL.request}" in arguments


def test_the_simplest_line_asks_by_itself(python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pasted(Call(CALL.outputs, CALL.model, CALL.request, "true").ask(), python, monkeypatch)
    arguments = (python / "python.arguments").read_text(encoding="utf-8").split()
    assert arguments == [
        "-m", "ops.endpoint", "--outputs", "out/dev.json", "--model", "flight-delay", "--ask", str(CALL.request),
    ]  # fmt: skip


def test_a_line_for_a_new_shell_is_one_word_after_bash(python: Path) -> None:
    line = Call(CALL.outputs, CALL.model, CALL.request, 'eval "$(x)"').curl(URI)
    bash, flag, _inner = shlex.split(line)
    assert (bash, flag) == ("bash", "-c")


@pytest.fixture
def outputs(project: Path, monkeypatch: pytest.MonkeyPatch, azure: FakeWorkspace) -> Path:
    path = project / "dev.json"
    path.write_text(json.dumps(OUTPUTS), encoding="utf-8")
    monkeypatch.setattr(module, "Workspace", lambda _: azure)
    return path


def run(*arguments: str) -> int:
    return command.run(module.parser(), module._main, list(arguments))


@pytest.mark.parametrize(("flag", "printed"), [("--key", "key\n"), ("--header", "Authorization: Bearer key\n")])
def test_a_key_is_printed_when_it_is_asked_for(
    outputs: Path, flag: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--outputs", str(outputs), flag) == 0
    assert capsys.readouterr().out == printed


def test_nothing_else_prints_a_key(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flags in ([], ["--json"]):
        assert run("--outputs", str(outputs), *flags) == 0
    out = capsys.readouterr().out
    assert "call it" in out
    assert "Bearer" not in out


@pytest.mark.parametrize(
    ("flags", "says"),
    [(["--key", "--json"], "exclude --json"), (["--deployment", "v1"], "--deployment goes with --ask")],
)
def test_wrong_arguments_end_with_2(
    outputs: Path, flags: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--outputs", str(outputs), *flags) == 2
    assert says in capsys.readouterr().err


def test_asking_sends_the_file_and_gives_the_answer(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"flights": []}', encoding="utf-8")
    scorer = Scorer(200)
    assert ask(scorer, tmp_path / "r.json", "v1-abc") == {"predictions": []}
    assert scorer.asked == [({"flights": []}, "v1-abc")]


@pytest.mark.parametrize(
    ("text", "status", "kind", "says"),
    [(None, 200, UsageError, "cannot be read"), ("{", 200, UsageError, "cannot be read"),
     ("{}", 400, OpsError, "status 400"), ("{}", 0, OpsError, "no answer")],
)  # fmt: skip
def test_what_is_no_answer_is_told(
    tmp_path: Path, text: str | None, status: int, kind: type[OpsError], says: str
) -> None:
    if text is not None:
        (tmp_path / "r.json").write_text(text, encoding="utf-8")
    with pytest.raises(kind, match=says):
        ask(Scorer(status), tmp_path / "r.json", None)
