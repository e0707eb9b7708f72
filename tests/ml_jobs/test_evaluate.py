"""Evaluation: each gate lets a good model pass and stops a bad one with its numbers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_jobs import evaluate, features, prepare, step, train
from tests.ml_jobs.conftest import Finished

GOOD = {"auc": 0.7, "log_loss": 0.5, "calibration_error": 0.02, "mean_probability": 0.2}
WORSE = {"auc": 0.6, "log_loss": 0.55, "calibration_error": 0.02, "mean_probability": 0.2}


def failed(**judged: dict[str, float]) -> list[str]:
    return [gate["gate"] for gate in evaluate.gates(judged) if not gate["passed"]]


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({"auc": 0.6}, "auc against baseline"),
        ({"auc": float("nan")}, "auc against baseline"),
        ({"log_loss": 0.55}, "log_loss against baseline"),
        ({"calibration_error": 0.15}, "calibration_error"),
    ],
)
def test_each_gate_stops_a_model_that_is_no_better_than_the_baseline(change: dict[str, float], gate: str) -> None:
    assert failed(candidate=GOOD, baseline=WORSE) == []
    assert failed(candidate=GOOD | change, baseline=WORSE) == [gate]


@pytest.mark.parametrize(
    ("change", "gate"),
    [({"auc": 0.701}, "auc against champion"), ({"log_loss": 0.499}, "log_loss against champion")],
)
def test_a_candidate_worse_than_the_champion_is_stopped_and_an_equal_one_is_not(
    change: dict[str, float], gate: str
) -> None:
    assert failed(candidate=GOOD, baseline=WORSE, champion=GOOD) == []
    assert failed(candidate=GOOD, baseline=WORSE, champion=GOOD | change) == [gate]


def test_the_trained_model_beats_the_baseline(pipeline: dict[str, Path]) -> None:
    report = json.loads((pipeline["evaluate.evaluation"] / "evaluation.json").read_text())
    candidate, baseline = report["metrics"]["candidate"], report["metrics"]["baseline"]
    assert candidate["auc"] > 0.65 > baseline["auc"] > 0.6
    assert candidate["log_loss"] < baseline["log_loss"]
    assert [gate["passed"] for gate in report["gates"]] == [True, True, True]
    assert sum(row["rows"] for row in report["calibration"]) == report["rows"] == 23_611


def test_the_model_compared_with_itself_passes(pipeline: dict[str, Path]) -> None:
    report = evaluate.evaluate(pipeline["prepare.prepared"], pipeline["train.trained"], pipeline["model"])
    assert [gate["passed"] for gate in report["gates"]] == [True] * 5
    champion, candidate = report["metrics"]["champion"], report["metrics"]["candidate"]
    assert champion["auc"] == pytest.approx(candidate["auc"], abs=evaluate.TIE)


def learned_noise(pipeline: dict[str, Path], folder: Path) -> Path:
    """A model trained on shuffled labels, with the encoding of the good one."""
    columns, labels = prepare.labelled(pipeline["prepare.prepared"], "train")
    encoding = features.Encoding.load(pipeline["prepare.prepared"] / "encoding.json")
    parameters = train.Parameters(
        learning_rate=0.1, num_leaves=31, num_iterations=20, min_data_in_leaf=20, feature_fraction=1.0
    )
    shuffled = np.random.default_rng(3).permutation(labels)
    model = train.fit(encoding, encoding.encode(columns), shuffled, 1, parameters)
    folder.mkdir()
    (folder / "model.txt").write_text(model.model_to_string())
    shutil.copy(pipeline["train.trained"] / "encoding.json", folder)
    return folder


def test_a_model_that_learned_noise_stops_the_pipeline_with_numbers(
    pipeline: dict[str, Path], step_program: Callable[..., Finished], tmp_path: Path
) -> None:
    noise = learned_noise(pipeline, tmp_path / "noise")
    done = step_program(
        "-m", "ml_jobs.evaluate", "--prepared", pipeline["prepare.prepared"], "--trained", noise,
        "--champion", pipeline["model"], "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.code == 1
    assert "error: 4 of 5 gates failed: auc against baseline, log_loss against baseline, auc against" in done.err
    report: dict[str, Any] = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert report["metrics"]["candidate"]["auc"] < 0.6
    assert f"FAILED: auc against baseline: {report['metrics']['candidate']['auc']}, want above 0.63" in done.out


def test_a_champion_without_a_model_is_refused(pipeline: dict[str, Path], tmp_path: Path) -> None:
    shutil.copy(pipeline["model"] / "encoding.json", tmp_path)
    with pytest.raises(step.StepError, match=r"holds no model\.onnx; want the folder of a registered model"):
        evaluate.evaluate(pipeline["prepare.prepared"], pipeline["train.trained"], tmp_path)
