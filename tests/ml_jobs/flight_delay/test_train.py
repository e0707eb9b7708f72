"""Training: the same rows, seed and parameters give the same bytes; anything else is refused or shows."""

import dataclasses
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_jobs import boosting, libraries, rows, tracking
from ml_jobs.flight_delay import features, train
from tests.ml_jobs.conftest import Finished

PARAMETERS = {
    "--seed": "13", "--learning-rate": "0.05", "--num-leaves": "31", "--num-iterations": "150",
    "--min-data-in-leaf": "50", "--feature-fraction": "0.3",
}  # fmt: skip
StepProgram = Callable[..., Finished]


def arguments(prepared: Path, out: Path, **changed: str) -> list[str | Path]:
    chosen = PARAMETERS | {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
    given = [text for pair in chosen.items() for text in pair]
    return ["-m", "ml_jobs.flight_delay.train", "--prepared", prepared, "--out", out, *given]


def test_two_trainings_write_the_same_bytes(
    pipeline: dict[str, Path], step_program: StepProgram, tmp_path: Path
) -> None:
    """In processes of their own, with other hash seeds and thread counts around them."""
    settings = {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "5", "OPENBLAS_NUM_THREADS": "1"}
    done = step_program(*arguments(pipeline["prepare.prepared"], tmp_path), **settings)
    assert done.code == 0, done.err
    first = {path.name: path.read_bytes() for path in pipeline["train.trained"].iterdir()}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
    assert sorted(first) == ["encoding.json", "features.py", "model.txt", "training.json"]


@pytest.mark.parametrize(("seed", "changed"), [(14, {}), (13, {"num_leaves": 30}), (13, {"learning_rate": 0.06})])
def test_another_seed_or_parameter_gives_another_model(
    pipeline: dict[str, Path], seed: int, changed: dict[str, Any]
) -> None:
    columns, labels = rows.labelled(pipeline["prepare.prepared"], "train", features)
    encoding = features.Encoding.load(pipeline["train.trained"] / "encoding.json")
    matrix = encoding.encode(columns)[:4000]
    chosen = boosting.Parameters(
        learning_rate=0.05, num_leaves=31, num_iterations=3, min_data_in_leaf=50, feature_fraction=0.3
    )

    def trees(seed: int, parameters: boosting.Parameters) -> str:
        fitted = boosting.fit(matrix, labels[:4000], encoding, seed, parameters)
        return fitted.model.model_to_string().partition("\nparameters:")[0]

    assert trees(13, chosen) == trees(13, chosen)
    assert trees(seed, dataclasses.replace(chosen, **changed)) != trees(13, chosen)


def test_what_it_was_trained_with_is_written_down(pipeline: dict[str, Path]) -> None:
    assert json.loads((pipeline["train.trained"] / "training.json").read_text()) == {
        "seed": 13,
        "rows": 26_398,
        "parameters": {
            "learning_rate": 0.05, "num_leaves": 31, "num_iterations": 150, "min_data_in_leaf": 50,
            "feature_fraction": 0.3,
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("seed", "-1", "a whole number from 0 to 2147483647"),
        ("seed", "1.5", "a whole number from 0 to 2147483647"),
        ("seed", "2147483648", "a whole number from 0 to 2147483647"),
        ("learning-rate", "0", "a number above 0 and at most 1"),
        ("learning-rate", "fast", "a number above 0 and at most 1"),
        ("learning-rate", "nan", "a number above 0 and at most 1"),
        ("num-leaves", "1", "a whole number from 2 to 4096"),
        ("num-iterations", "0", "a whole number from 1 to 10000"),
        ("min-data-in-leaf", "0", "a whole number from 1 to 1000000"),
        ("feature-fraction", "1.1", "a number above 0 and at most 1"),
    ],
)
def test_a_bad_parameter_is_refused_and_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, accepted: str
) -> None:
    given = arguments(Path("p"), Path("o"))[2:]
    given[given.index(f"--{name}") + 1] = f"{value}"
    monkeypatch.setattr("sys.argv", ["train", *(f"{text}" for text in given)])
    with pytest.raises(SystemExit) as stopped:
        train.main()
    assert stopped.value.code == 2
    assert f"argument --{name}: '{value}': want {accepted}" in capsys.readouterr().err.replace("\n", " ")


def test_a_missing_input_is_named_without_a_stack_trace(step_program: StepProgram, tmp_path: Path) -> None:
    done = step_program(*arguments(tmp_path, tmp_path / "out"))
    assert done.code == 1
    assert done.err == f"error: {tmp_path}/prepared.json: no such file; want the output folder of an earlier step\n"


def test_worse_weather_never_lowers_the_probability(pipeline: dict[str, Path]) -> None:
    encoding = features.Encoding.load(pipeline["train.trained"] / "encoding.json")
    model = libraries.lightgbm().Booster(model_file=pipeline["train.trained"] / "model.txt")
    columns, _ = rows.labelled(pipeline["prepare.prepared"], "validate", features)
    matrix = encoding.encode(columns)[:2000]
    before = model.predict(matrix)
    for name, direction in features.DIRECTIONS.items():
        worse = matrix.copy()
        worse[:, encoding.features.index(name)] += direction * 20
        assert direction == 0 or np.all(model.predict(worse) >= before - 1e-12), name


def test_parameters_and_metrics_go_to_the_run_of_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    mlflow = libraries.mlflow()
    client = mlflow.MlflowClient(address)
    run = client.create_run(client.create_experiment("flights", artifact_location=str(tmp_path))).info.run_id
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_RUN_ID", run)
    tracking.log({"seed": 13}, {"auc": 0.5})
    logged = client.get_run(run)
    assert logged.data.params == {"seed": "13"}
    assert logged.data.metrics == {"auc": 0.5}
    assert logged.info.status == "RUNNING"  # Azure ML ends it, with the job
    monkeypatch.delenv("MLFLOW_RUN_ID")
    tracking.log({}, {"auc": 0.25})
    with sqlite3.connect(tmp_path / "mlflow.db") as rows:
        own = rows.execute("SELECT status, value FROM runs JOIN metrics USING (run_uuid) WHERE run_uuid <> ?", (run,))
        assert own.fetchall() == [("FINISHED", 0.25)]


def test_a_tracking_server_that_does_not_answer_is_a_warning_without_its_password(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], unused_port: int
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:hush@127.0.0.1:{unused_port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracking.log({}, {"auc": 0.5})
    warning = capfd.readouterr().err
    assert warning.startswith("warning: not logged to MLFLOW_TRACKING_URI: ")
    assert f"http://127.0.0.1:{unused_port}/api" in warning
    assert "hush" not in warning


def test_azure_s_address_is_used_as_https(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "azureml://127.0.0.1:1/mlflow/v1.0/subscriptions/s")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracking.log({}, {"auc": 0.5})
    assert "https://127.0.0.1:1/mlflow/v1.0/subscriptions/s/api/2.0/mlflow/runs/create" in capfd.readouterr().err


def test_nothing_is_logged_without_a_tracking_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(subprocess, "Popen", pytest.fail)
    tracking.begin()
    tracking.log({"seed": 13}, {"auc": 0.5})


def test_a_step_that_fails_has_logged_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = tmp_path / "mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    script = "import os; from ml_jobs import tracking; tracking.begin(); os._exit(3)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "warning" not in done.stderr
    with sqlite3.connect(database) as rows_of:
        assert rows_of.execute("SELECT count(*) FROM runs").fetchone() == (0,)
