"""Evaluation: each gate lets a good model pass and stops a bad one with its numbers."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_jobs import boosting, evaluate, metrics, rows, step
from ml_jobs.arrays import Numbers
from ml_jobs.flight_delay import features
from tests.ml_jobs.conftest import Finished

BOUNDS = evaluate.Bounds(auc_margin=0.005, log_loss_margin=0.002, calibration_margin=0.05)
ARGUMENTS = (
    "--baseline", "logistic", "--auc-margin", "0.005", "--log-loss-margin", "0.002", "--calibration-margin", "0.05",
)  # fmt: skip
SHARE = 0.25


def logit(values: Numbers) -> Numbers:
    return np.asarray(1 / (1 + np.exp(-values)))


@pytest.fixture(scope="module")
def drawn() -> tuple[Numbers, Numbers]:
    """Labels of 20,000 rows, and the log odds they were drawn with."""
    random = np.random.default_rng(1)
    odds = random.normal(-1.2, 0.8, 20_000)
    return (random.random(20_000) < logit(odds)).astype(np.float64), odds


def verdict(drawn: tuple[Numbers, Numbers], candidate: Numbers, champion: Numbers | None = None) -> list[str]:
    """Names of the gates that fail, with a weak model as the baseline."""
    labels, odds = drawn
    noise = np.random.default_rng(2).normal(0, 1.2, len(odds))
    models = {
        "candidate": candidate,
        "baseline": logit(odds * 0.3 - 0.8 + 0.3 * noise),
        "base_rate": np.full(len(labels), SHARE),
    }
    given = models if champion is None else models | {"champion": champion}
    return [gate["gate"] for gate in evaluate.gates(labels, given, BOUNDS) if not gate["passed"]]


def test_a_good_model_passes(drawn: tuple[Numbers, Numbers]) -> None:
    assert verdict(drawn, logit(drawn[1])) == []


def test_a_model_no_better_than_the_baseline_is_stopped(drawn: tuple[Numbers, Numbers]) -> None:
    noise = np.random.default_rng(9).normal(0, 1.2, len(drawn[1]))
    assert verdict(drawn, logit(drawn[1] * 0.3 - 0.8 + 0.3 * noise)) == [
        "auc against baseline", "log_loss against baseline",
    ]  # fmt: skip


def test_the_baseline_itself_is_stopped(drawn: tuple[Numbers, Numbers]) -> None:
    """No difference in any sample is no gain."""
    labels, odds = (values[:1000] for values in drawn)
    models = {"candidate": logit(odds), "baseline": logit(odds), "base_rate": np.full(len(labels), SHARE)}
    failed = [gate["gate"] for gate in evaluate.gates(labels, models, BOUNDS) if not gate["passed"]]
    assert failed == ["auc against baseline", "log_loss against baseline"]


def test_a_gain_within_the_noise_is_no_gain(drawn: tuple[Numbers, Numbers]) -> None:
    """On 300 rows the better of two models may win by luck: a point says yes, the interval no."""
    labels, odds = drawn[0][:300], drawn[1][:300]
    lucky = next(
        seed for seed in range(200)
        if metric(labels, other := twin(odds, seed)) > metric(labels, twin(odds, 999)) and other is not None
    )  # fmt: skip
    models = {
        "candidate": twin(odds, lucky), "baseline": twin(odds, 999), "base_rate": np.full(300, SHARE),
    }  # fmt: skip
    gate = evaluate.gates(labels, models, BOUNDS)[0]
    assert gate["observed"] > 0
    assert gate["interval"][0] < 0 < gate["interval"][1]
    assert not gate["passed"]


def twin(odds: Numbers, seed: int) -> Numbers:
    return logit(odds + np.random.default_rng(seed).normal(0, 0.5, len(odds)))


def metric(labels: Numbers, probabilities: Numbers) -> float:
    return metrics.auc(labels, probabilities)


@pytest.mark.parametrize("share", [0.12, 0.18, 0.33, 0.4])
def test_answering_a_wrong_base_rate_is_stopped_by_the_calibration_gate(
    drawn: tuple[Numbers, Numbers], share: float
) -> None:
    """Their errors of 0.07 to 0.14 would pass a bound of 0.15, whatever the months are like."""
    assert "calibration_error" in verdict(drawn, np.full(len(drawn[0]), share))


def test_ranking_well_and_promising_wrong_is_stopped(drawn: tuple[Numbers, Numbers]) -> None:
    assert verdict(drawn, logit(drawn[1] + 1.2)) == [
        "log_loss against baseline", "log_loss against base rate", "calibration_error",
    ]  # fmt: skip


def test_a_share_that_moved_for_everybody_is_not_the_model_s_fault(drawn: tuple[Numbers, Numbers]) -> None:
    """Trained on a month with a share of 0.35: the base rate errs as much, and the model may."""
    labels, odds = drawn
    models = {"candidate": logit(odds + 0.55), "base_rate": np.full(len(labels), 0.35)}
    (calibration,) = [
        gate for gate in evaluate.gates(labels, models | {"baseline": models["base_rate"]}, BOUNDS)
        if gate["gate"] == "calibration_error"
    ]  # fmt: skip
    assert calibration["observed"] > 0.08
    assert calibration["passed"]


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (lambda odds: logit(odds), []),
        (lambda odds: logit(odds + np.random.default_rng(4).normal(0, 0.05, len(odds))), []),
        (lambda odds: logit(odds + np.random.default_rng(4).normal(0, 0.4, len(odds))),
         ["auc against champion", "log_loss against champion"]),
        (lambda odds: logit(odds + 0.3), ["log_loss against champion"]),
    ],
    ids=["the same", "as good", "worse", "worse calibrated"],
)  # fmt: skip
def test_a_candidate_may_be_as_good_as_the_champion_but_not_worse(
    drawn: tuple[Numbers, Numbers], candidate: Callable[[Numbers], Numbers], expected: list[str]
) -> None:
    assert verdict(drawn, candidate(drawn[1]), champion=logit(drawn[1])) == expected


def test_the_trained_model_beats_the_baseline(pipeline: dict[str, Path]) -> None:
    report = json.loads((pipeline["evaluate.evaluation"] / "evaluation.json").read_text())
    for part in ("validate", "test"):
        candidate, baseline = (report[part]["metrics"][name] for name in ("candidate", "baseline"))
        assert candidate["auc"] > max(0.65, baseline["auc"] + 0.01)
        assert candidate["log_loss"] < baseline["log_loss"] < report[part]["metrics"]["base_rate"]["log_loss"]
    assert [gate["passed"] for gate in report["gates"]] == [True, True, True, True]
    assert report["rows"] == {"validate": 23_611, "test": 27_902}
    assert sum(row["rows"] for row in report["test"]["calibration"]) == 27_902
    low, high = report["test"]["intervals"]["candidate"]["auc"]
    assert low < report["test"]["metrics"]["candidate"]["auc"] < high
    assert 0.01 < high - low < 0.03  # by DeLong: 0.016


def judged(pipeline: dict[str, Path], champion: Path) -> dict[str, Any]:
    return evaluate.evaluate(
        pipeline["prepare.prepared"], pipeline["train.trained"], champion, "logistic", BOUNDS
    )  # fmt: skip


def test_the_model_compared_with_itself_passes(pipeline: dict[str, Path]) -> None:
    report = judged(pipeline, pipeline["model"])
    assert [gate["passed"] for gate in report["gates"]] == [True] * 6
    champion, candidate = report["validate"]["metrics"]["champion"], report["validate"]["metrics"]["candidate"]
    assert champion["auc"] == pytest.approx(candidate["auc"], abs=1e-5)


def test_a_champion_with_other_features_is_judged_by_its_own_encoding(
    pipeline: dict[str, Path], tmp_path: Path
) -> None:
    """Its code reads a field that today's does not, under a name that today's does not know."""
    other = tmp_path / "model"
    shutil.copytree(pipeline["model"], other)
    code = (other / "features.py").read_text()
    code = code.replace('"precip", "pressure"', '"temp", "precip", "pressure"').replace('"engines": 0', '"motors": 0')
    code = code.replace('"engines": raw["engines"]', '"motors": raw["engines"]')
    (other / "features.py").write_text(code)
    encoding = json.loads((other / "encoding.json").read_text())
    encoding["fills"]["motors"] = encoding["fills"].pop("engines")
    (other / "encoding.json").write_text(json.dumps(encoding))
    report = judged(pipeline, other)
    assert report["gates"] == judged(pipeline, pipeline["model"])["gates"]
    assert not list(other.glob("__pycache__"))


def test_a_champion_that_reads_what_is_not_kept_any_more_is_refused_with_the_field(
    pipeline: dict[str, Path], tmp_path: Path
) -> None:
    other = tmp_path / "model"
    shutil.copytree(pipeline["model"], other)
    code = (other / "features.py").read_text().replace('"precip", "pressure"', '"snow", "precip", "pressure"')
    (other / "features.py").write_text(code)
    with pytest.raises(step.StepError, match=r"validate\.parquet: has no column snow"):
        judged(pipeline, other)


@pytest.mark.parametrize(
    ("month", "part"), [("2013-02", "validate"), ("2013-03", "test")], ids=["validation month", "test month"]
)
def test_a_champion_that_was_trained_on_a_held_out_month_is_refused_with_the_month(
    pipeline: dict[str, Path], tmp_path: Path, month: str, part: str
) -> None:
    other = tmp_path / "model"
    shutil.copytree(pipeline["model"], other)
    card = json.loads((other / "model_card.json").read_text())
    card["partitions"]["train"] = ["2012-12", month]
    (other / "model_card.json").write_text(json.dumps(card))
    with pytest.raises(step.StepError, match=rf"was trained on {month}, the {part} part now.*want .* after {month}"):
        judged(pipeline, other)


def learned_noise(pipeline: dict[str, Path], folder: Path) -> Path:
    """A model trained on shuffled labels, with the encoding of the good one."""
    columns, labels = rows.labelled(pipeline["prepare.prepared"], "train", features)
    encoding = features.Encoding.load(pipeline["prepare.prepared"] / "encoding.json")
    parameters = boosting.Parameters(
        learning_rate=0.1, num_leaves=31, num_iterations=20, min_data_in_leaf=20, feature_fraction=1.0
    )
    shuffled = np.random.default_rng(3).permutation(labels)
    fitted = boosting.fit(encoding.encode(columns), shuffled, encoding, 1, parameters)
    boosting.save(dataclasses.replace(fitted), folder, encoding, Path(features.__file__))
    return folder


def test_a_model_that_learned_noise_stops_the_pipeline_with_numbers(
    pipeline: dict[str, Path], step_program: Callable[..., Finished], tmp_path: Path
) -> None:
    noise = learned_noise(pipeline, tmp_path / "noise")
    done = step_program(
        "-m", "ml_jobs.evaluate", "--prepared", pipeline["prepare.prepared"], "--trained", noise,
        "--champion", pipeline["model"], *ARGUMENTS, "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.code == 1
    assert "error: 5 of 6 gates failed: auc against baseline, log_loss against baseline, log_loss against" in done.err
    report: dict[str, Any] = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert report["validate"]["metrics"]["candidate"]["auc"] < 0.6
    low, high = report["gates"][0]["interval"]
    assert f"FAILED: auc against baseline: {report['gates'][0]['observed']:g} [{low:g}, {high:g}], want" in done.out
    assert high < 0


def test_the_figures_do_not_depend_on_the_number_of_cores(
    pipeline: dict[str, Path], step_program: Callable[..., Finished], tmp_path: Path
) -> None:
    done = step_program(
        "-m", "ml_jobs.evaluate", "--prepared", pipeline["prepare.prepared"], "--trained", pipeline["train.trained"],
        *ARGUMENTS, "--out", tmp_path, PYTHONHASHSEED="5", OMP_NUM_THREADS="2",
    )  # fmt: skip
    assert done.code == 0, done.err
    first = (pipeline["evaluate.evaluation"] / "evaluation.json").read_bytes()
    assert (tmp_path / "evaluation.json").read_bytes() == first


def test_linear_algebra_keeps_to_one_thread(step_program: Callable[..., Finished]) -> None:
    """Two threads that wait for each other take twenty times as long on a machine that others use."""
    code = (
        "from ml_jobs import evaluate\nimport threadpoolctl\n"
        "print({pool['num_threads'] for pool in threadpoolctl.threadpool_info() if pool['user_api'] == 'blas'})"
    )
    assert step_program("-c", code).out == "{1}\n"


def test_a_champion_without_a_model_is_refused(pipeline: dict[str, Path], tmp_path: Path) -> None:
    for name in ("encoding.json", "features.py", "model_card.json"):
        shutil.copy(pipeline["model"] / name, tmp_path)
    with pytest.raises(step.StepError, match=r"holds no model\.onnx; want the folder of a registered model"):
        judged(pipeline, tmp_path)
