"""Training runs: the same inputs never train twice, and a failure is told with its log."""

from dataclasses import replace
from pathlib import Path

import pytest

from model_file import ModelFile
from ops.command import OpsError, UsageError
from ops.commit import Commit
from ops.model import Recipe
from ops.report import Step
from ops.submit import fingerprint, follow, submit
from ops.views import Run
from tests.ops.conftest import MODEL, TRAINING
from tests.ops.fakes import FakeWorkspace

COMMIT = Commit("c0ffee", "Ada")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("ops.submit.time.sleep", lambda _: None)
    monkeypatch.setattr("ops.submit.LOG_FOLDER", tmp_path)


@pytest.fixture
def file(recipe: Recipe) -> ModelFile:
    return recipe.file


def name(file: ModelFile, champion: str = "") -> str:
    return f"flight-delay-{fingerprint(TRAINING, file.training.inputs)}{champion}"


def test_submits_a_run_with_its_lineage(azure: FakeWorkspace, file: ModelFile) -> None:
    run, is_new = submit(azure, MODEL, file, COMMIT, champion="flight-delay:3")
    (request,) = azure.submitted
    assert is_new
    assert run.name == request.name == name(file, "-vs3")
    assert request.component == "flight_delay_training:abc"
    assert request.compute == "train"
    assert request.folders == {"data": "flights:d1"}
    assert request.models == {"champion": "flight-delay:3"}
    assert request.values == {
        **file.training.inputs,
        "commit": "c0ffee",
        "code_version": "t1",
        "data_version": "d1",
        "environment_version": "e1",
    }
    assert request.tags == {
        "fingerprint": fingerprint(TRAINING, file.training.inputs),
        "model": "flight-delay",
        "commit": "c0ffee",
        "dirty": "false",
        "code": "flight-delay-training:t1",
        "data": "flights:d1",
        "environment": "train:e1",
        "pipeline": "flight_delay_training:abc",
        "inputs": '{"seed": 13, "train_month": "2013-01"}',
        "champion": "flight-delay:3",
    }


def test_a_dirty_commit_is_said_on_the_run(azure: FakeWorkspace, file: ModelFile) -> None:
    submit(azure, MODEL, file, Commit("c0ffee-dirty", "Ada"), champion=None)
    assert azure.submitted[0].tags["dirty"] == "true"


def test_the_first_model_has_no_champion(azure: FakeWorkspace, file: ModelFile) -> None:
    submit(azure, MODEL, file, COMMIT, champion=None)
    assert azure.submitted[0].models == {}
    assert "champion" not in azure.submitted[0].tags


@pytest.mark.parametrize("status", ["Completed", "Running", "Queued", "Preparing"])
def test_the_same_inputs_are_not_submitted_again(azure: FakeWorkspace, file: ModelFile, status: str) -> None:
    azure.runs[name(file)] = [Run(name=name(file), status=status)]
    run, is_new = submit(azure, MODEL, file, COMMIT, champion=None)
    assert (run.name, is_new, azure.submitted) == (name(file), False, [])


def test_another_champion_is_another_run_of_the_same_fingerprint(azure: FakeWorkspace, file: ModelFile) -> None:
    for champion in (None, "flight-delay:1", "flight-delay:2"):
        submit(azure, MODEL, file, COMMIT, champion)
    assert len({request.name for request in azure.submitted}) == 3
    assert len({request.tags["fingerprint"] for request in azure.submitted}) == 1


@pytest.mark.parametrize(("status", "is_new"), [("Completed", True), ("Running", False)])
def test_again_passes_over_what_is_completed_and_follows_what_runs(
    azure: FakeWorkspace, file: ModelFile, status: str, is_new: bool
) -> None:
    azure.runs[name(file)] = [Run(name=name(file), status=status)]
    assert submit(azure, MODEL, file, COMMIT, champion=None, again=True)[1] is is_new


@pytest.mark.parametrize("status", ["Failed", "Canceled", "NotResponding"])
def test_a_failed_run_is_tried_again_under_the_next_name(azure: FakeWorkspace, file: ModelFile, status: str) -> None:
    for failed in (name(file), f"{name(file)}-2"):
        azure.runs[failed] = [Run(name=failed, status=status)]
    run, is_new = submit(azure, MODEL, file, COMMIT, champion=None)
    assert (run.name, is_new) == (f"{name(file)}-3", True)


def judged(azure: FakeWorkspace, name: str, step: str = "evaluate") -> None:
    azure.runs[name] = [Run(name=name, status="Failed")]
    azure.children[name] = [
        Run(name=f"{name}-train", label="train", status="Completed"),
        Run(name=f"{name}-{step}", label=step, status="Failed"),
    ]
    azure.logs[f"{name}-{step}"] = "FAILED: auc against champion"


def test_what_was_judged_is_not_trained_once_more(azure: FakeWorkspace, file: ModelFile) -> None:
    """The same inputs give the same model, and the same champion the same verdict."""
    judged(azure, name(file, "-vs3"))
    with pytest.raises(OpsError) as failure:
        submit(azure, MODEL, file, COMMIT, champion="flight-delay:3")
    assert failure.value.what == f"run {name(file, '-vs3')}: Failed at step evaluate; nothing has changed since"
    assert "FAILED: auc against champion" in failure.value.why
    again = "python -m ops.release --outputs FILE --apply COMMAND --again"
    assert failure.value.repair == f"change what it is trained with or judged by; or train it once more: {again}"
    assert azure.submitted == []
    assert submit(azure, MODEL, file, COMMIT, champion="flight-delay:4")[1], "another champion judges anew"


def test_the_last_run_decides_and_again_passes_over_it(azure: FakeWorkspace, file: ModelFile) -> None:
    judged(azure, name(file))
    run, is_new = submit(azure, MODEL, file, COMMIT, champion=None, again=True)
    assert (run.name, is_new) == (f"{name(file)}-2", True)
    azure.runs[run.name] = [Run(name=run.name, status="Canceled")]
    assert submit(azure, MODEL, file, COMMIT, champion=None)[0].name == f"{name(file)}-3"
    judged(azure, f"{name(file)}-3")
    with pytest.raises(OpsError, match="-3: Failed at step evaluate"):
        submit(azure, MODEL, file, COMMIT, champion=None)


def test_what_failed_before_it_was_judged_is_tried_again(azure: FakeWorkspace, file: ModelFile) -> None:
    judged(azure, name(file), step="train")
    assert submit(azure, MODEL, file, COMMIT, champion=None)[0].name == f"{name(file)}-2"


def test_a_run_that_was_cancelled_gives_no_model(azure: FakeWorkspace, step: Step) -> None:
    azure.runs["r"] = [Run(name="r", status="Canceled")]
    with pytest.raises(OpsError, match="run r: Canceled"):
        follow(azure, azure.runs["r"][0], step)


def test_it_does_not_try_for_ever(azure: FakeWorkspace, file: ModelFile) -> None:
    for number in range(60):
        failed = name(file) if number == 0 else f"{name(file)}-{number + 1}"
        azure.runs[failed] = [Run(name=failed, status="Failed")]
    with pytest.raises(OpsError, match="ended 50 times"):
        submit(azure, MODEL, file, COMMIT, champion=None)


def test_a_promoted_model_is_not_trained(azure: FakeWorkspace, file: ModelFile) -> None:
    with pytest.raises(UsageError, match="promoted to this stack"):
        submit(azure, replace(MODEL, training=None), file, COMMIT, champion=None)


@pytest.mark.parametrize(
    "change", [{"pipeline": "flight_delay_training:xyz"}, {"data": "f:d2"}, {"environment": "e:2"}]
)
def test_whatever_shapes_a_model_changes_the_fingerprint(change: dict[str, str]) -> None:
    assert fingerprint(replace(TRAINING, **change), {}) != fingerprint(TRAINING, {})


def test_inputs_change_the_fingerprint_and_their_order_does_not() -> None:
    assert fingerprint(TRAINING, {"a": 1, "b": 2}) == fingerprint(TRAINING, {"b": 2, "a": 1})
    assert fingerprint(TRAINING, {"a": 1}) != fingerprint(TRAINING, {"a": 2})


@pytest.mark.parametrize("status", ["Queued", "Running"])
def test_waiting_has_an_end_and_says_what_it_waited_for(
    azure: FakeWorkspace, step: Step, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure.runs["r"] = [Run(name="r", status="Running")]
    azure.children["r"] = [
        Run(name="r-1", label="check", status="Completed"),
        Run(name="r-2", label="train", status=status),
    ]
    ticks = iter(range(0, 10**6, 50))
    monkeypatch.setattr("ops.submit.time.monotonic", lambda: next(ticks))
    with pytest.raises(OpsError, match="run r is still Running after 60 s") as failure:
        follow(azure, Run(name="r", status="Running"), step, timeout=60, compute="train")
    node = " (for a node of train)" if status == "Queued" else ""
    assert failure.value.why == f"waited for: train {status}{node}"
    assert "the run goes on" in failure.value.repair


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
