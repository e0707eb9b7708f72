"""The command line of a release: wrong arguments, several models, closing lines."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ops import command
from ops import release as module
from ops.command import OpsError, SomeFailedError
from ops.release import Release, release_all
from ops.report import Report
from tests.ops.conftest import OUTPUTS, write_model


def test_one_model_that_fails_does_not_keep_the_next_from_its_turn(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> dict[str, object]:
        raise ZeroDivisionError("division by zero")

    def refused() -> dict[str, object]:
        raise OpsError("the gate said no")

    with pytest.raises(SomeFailedError, match="2 of 3 models were not released: a, b") as failure:
        release_all({"a": fails, "b": refused, "c": lambda: {"traffic": {"v1": 100}}}, Report())
    assert failure.value.exit_code == command.FAILED
    assert failure.value.result == {"c": {"traffic": {"v1": 100}}}
    told = capsys.readouterr().err
    assert "error: the gate said no" in told
    assert "error: defect in this command (ZeroDivisionError)" in told


def test_no_further_model_is_tried_when_azure_cannot_be_reached(capsys: pytest.CaptureFixture[str]) -> None:
    """Each would wait for minutes, and end the same."""

    def fails() -> dict[str, object]:
        raise ConnectionError("reset")

    done: dict[str, Callable[[], dict[str, object]]] = {"a": lambda: {"traffic": {"v1": 100}}, "b": fails}
    with pytest.raises(SomeFailedError, match="2 of 3 models were not released: b, c") as failure:
        release_all({**done, "c": lambda: pytest.fail("it was tried")}, Report())
    assert failure.value.result == {"a": {"traffic": {"v1": 100}}}
    assert capsys.readouterr().err.count("error: Azure cannot be reached") == 1


def run(*arguments: str) -> int:
    return command.run(module.parser(), module._main, list(arguments))


@pytest.fixture
def outputs(project: Path, live_folder: Path) -> Path:
    path = project / "dev.json"
    path.write_text(json.dumps(OUTPUTS), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--apply", ""], "--apply is empty"),
        (["--apply", "x", "--version", "1", "--from-outputs", "dev.json"], "exclude each other"),
        (["--apply", "x", "--model", "wine"], "--model wine: the stack has no such model"),
    ],
)
def test_wrong_arguments_end_with_2_before_azure_is_asked(
    outputs: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Workspace", lambda _: pytest.fail("Azure was asked"))
    assert run("--outputs", str(outputs), *arguments) == 2
    assert says in capsys.readouterr().err


def test_every_wrong_model_file_is_told_at_once_and_ends_with_2(
    outputs: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = dict.fromkeys(("flight-delay", "wine", "tips"), OUTPUTS["models"]["flight-delay"])
    outputs.write_text(json.dumps({**OUTPUTS, "models": models}), encoding="utf-8")
    write_model(project, training={**MODEL_TRAINING, "inputs": {"commit": "x"}})
    assert run("--outputs", str(outputs), "--apply", "x") == 2
    told = capsys.readouterr().err
    for what in ("ml_jobs/wine/model.yaml", "ml_jobs/tips/model.yaml", "training.inputs.commit: is filled in"):
        assert what in told


MODEL_TRAINING = {"pipeline": "pipeline.yaml", "environment": "train", "code": [], "inputs": {}}


def test_a_stack_that_wants_commits_asks_for_one_and_for_a_reason(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs.write_text(json.dumps({**OUTPUTS, "requireCleanCommit": True}), encoding="utf-8")
    assert run("--outputs", str(outputs), "--apply", "x") == 2
    told = capsys.readouterr().err
    assert "the checkout is not a commit" in told
    assert "--reason is missing" in told


def test_the_closing_lines_hold_no_key(make: Callable[..., Release], capsys: pytest.CaptureFixture[str]) -> None:
    make().run()
    out = capsys.readouterr().out
    assert "call it" in out
    assert "answered {" in out
    assert "Bearer" not in out


def test_a_number_needs_the_model_that_it_is_of(
    outputs: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = dict.fromkeys(("flight-delay", "wine"), OUTPUTS["models"]["flight-delay"])
    outputs.write_text(json.dumps({**OUTPUTS, "models": models}), encoding="utf-8")
    write_model(project, "wine")
    assert run("--outputs", str(outputs), "--apply", "x", "--version", "1") == 2
    assert "--version needs --model" in capsys.readouterr().err
