"""Training runs: the same inputs never train twice, and a failure is told with its log."""

from dataclasses import replace
from pathlib import Path

import pytest

from ops.command import OpsError
from ops.release_file import Commit, ReleaseFile
from ops.report import Step
from ops.stack import Stack
from ops.submit import follow, submit
from ops.workspace import Run
from tests.ops.conftest import FakeWorkspace

COMMIT = Commit("c0ffee", "Ada")
FILE = ReleaseFile.read(Path("ops/flight-delay.yaml"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("ops.submit.time.sleep", lambda _: None)
    monkeypatch.setattr("ops.submit.LOG_FOLDER", tmp_path)


def name(stack: Stack) -> str:
    return f"flight-delay-{FILE.fingerprint(stack)}"


def test_submits_a_run_with_its_lineage(azure: FakeWorkspace, stack: Stack) -> None:
    run, is_new = submit(azure, stack, FILE, COMMIT, champion="flight-delay:3")
    (request,) = azure.submitted
    assert is_new
    assert run.name == request.name == name(stack)
    assert request.component == "flight_delay_training:abc"
    assert request.compute == "train"
    assert request.folders == {"data": "flights:d1"}
    assert request.models == {"champion": "flight-delay:3"}
    assert request.values == {
        **FILE.inputs,
        "commit": "c0ffee",
        "data_version": "d1",
        "environment_version": "e1",
    }
    assert request.tags["fingerprint"] == FILE.fingerprint(stack)


def test_the_first_model_has_no_champion(azure: FakeWorkspace, stack: Stack) -> None:
    submit(azure, stack, FILE, COMMIT, champion=None)
    assert azure.submitted[0].models == {}
    assert "champion" not in azure.submitted[0].tags


@pytest.mark.parametrize("status", ["Completed", "Running", "Queued", "Preparing"])
def test_the_same_inputs_are_not_submitted_again(azure: FakeWorkspace, stack: Stack, status: str) -> None:
    azure.runs[name(stack)] = [Run(name=name(stack), status=status)]
    run, is_new = submit(azure, stack, FILE, COMMIT, champion=None)
    assert (run.name, is_new, azure.submitted) == (name(stack), False, [])


@pytest.mark.parametrize("status", ["Failed", "Canceled", "NotResponding"])
def test_a_failed_run_is_tried_again_under_the_next_name(azure: FakeWorkspace, stack: Stack, status: str) -> None:
    for failed in (name(stack), f"{name(stack)}-2"):
        azure.runs[failed] = [Run(name=failed, status=status)]
    run, is_new = submit(azure, stack, FILE, COMMIT, champion=None)
    assert (run.name, is_new) == (f"{name(stack)}-3", True)


def test_it_does_not_try_for_ever(azure: FakeWorkspace, stack: Stack) -> None:
    for number in range(60):
        failed = name(stack) if number == 0 else f"{name(stack)}-{number + 1}"
        azure.runs[failed] = [Run(name=failed, status="Failed")]
    with pytest.raises(OpsError, match="failed 50 times"):
        submit(azure, stack, FILE, COMMIT, champion=None)


@pytest.mark.parametrize(
    "change",
    [{"pipeline": "flight_delay_training:xyz"}, {"data": "flights:d2"}, {"environments": {"train": "train:e2"}}],
    ids=["pipeline", "data", "environment"],
)
def test_whatever_shapes_a_model_changes_the_fingerprint(stack: Stack, change: dict[str, object]) -> None:
    assert FILE.fingerprint(replace(stack, **change)) != FILE.fingerprint(stack)  # type: ignore[arg-type] # a field each


def test_inputs_change_the_fingerprint_and_smoke_checks_do_not(stack: Stack) -> None:
    assert replace(FILE, inputs={**FILE.inputs, "seed": 14}).fingerprint(stack) != FILE.fingerprint(stack)
    assert replace(FILE, smoke=replace(FILE.smoke, checks=())).fingerprint(stack) == FILE.fingerprint(stack)


def test_following_shows_each_change_of_a_step_once(
    capsys: pytest.CaptureFixture[str], azure: FakeWorkspace, step: Step
) -> None:
    azure.runs["r"] = [Run(name="r", status="Running")] * 3 + [Run(name="r", status="Completed")]
    azure.children["r"] = [Run(name="child", label="train", status="Running")]
    assert follow(azure, Run(name="r", status="Running"), step).status == "Completed"
    assert capsys.readouterr().err.count("train          Running") == 1


def test_a_failure_names_the_step_and_shows_the_end_of_its_log(azure: FakeWorkspace, step: Step) -> None:
    azure.runs["r"] = [Run(name="r", status="Failed", studio_url="https://ml.azure.com/runs/r")]
    azure.children["r"] = [
        Run(name="r-1", label="check", status="Completed"),
        Run(name="r-2", label="train", status="Failed"),
    ]
    azure.logs["r-2"] = "\n".join(f"line {number}" for number in range(40))
    with pytest.raises(OpsError, match="run r: Failed at step train") as failure:
        follow(azure, Run(name="r", status="Running"), step)
    assert "line 39" in failure.value.why
    assert "line 24" not in failure.value.why
    assert "r-2/std_log.txt" in failure.value.log
    assert "https://ml.azure.com/runs/r" in failure.value.log


def test_a_log_that_cannot_be_read_does_not_hide_the_failure(
    azure: FakeWorkspace, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_name: str, _folder: Path) -> Path | None:
        raise ConnectionError("unreachable")

    azure.runs["r"] = [Run(name="r", status="Failed")]
    monkeypatch.setattr(azure, "log_of", broken)
    with pytest.raises(OpsError, match="run r: Failed") as failure:
        follow(azure, Run(name="r", status="Running"), step)
    assert "unreachable" in failure.value.why
