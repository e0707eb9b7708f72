"""The export: the same answers on every row, proven each time; one folder that says all about the model."""

import json
import re
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import duckdb
import numpy as np
import onnx
import pytest

from ml_jobs import export_onnx, libraries, metrics, probes, rows, step
from ml_jobs.arrays import Matrix
from ml_jobs.flight_delay import features
from ml_jobs.serving import request, runtime
from tests.ml_jobs.conftest import FLIGHT_DELAY, LINEAGE, ROOT, Finished


def folders(pipeline: dict[str, Path], tmp_path: Path) -> Namespace:
    return Namespace(
        prepared=pipeline["prepare.prepared"],
        trained=pipeline["train.trained"],
        evaluation=pipeline["evaluate.evaluation"],
        checks=pipeline["check.checks"],
        request_schema=FLIGHT_DELAY / "request.schema.json",
        out=tmp_path / "model",
        report=tmp_path / "report",
    )


def arguments(given: Namespace) -> list[str]:
    paths = [str(text) for name, folder in vars(given).items() for text in (f"--{name.replace('_', '-')}", folder)]
    lineage = [text for name, value in LINEAGE.items() for text in (f"--{name.replace('_', '-')}", value)]
    return ["-m", "ml_jobs.export_onnx", *paths, *lineage]


@pytest.fixture(scope="module")
def matrix(pipeline: dict[str, Path]) -> Matrix:
    """Every held-out flight."""
    encoding = features.Encoding.load(pipeline["model"] / "encoding.json")
    parts = [rows.labelled(pipeline["prepare.prepared"], part, features)[0] for part in ("validate", "test")]
    return np.vstack([encoding.encode(columns) for columns in parts])


def test_every_held_out_flight_gets_the_same_answer(pipeline: dict[str, Path], matrix: Matrix) -> None:
    native = libraries.lightgbm().Booster(model_file=pipeline["model"] / "model.txt").predict(matrix)
    labels, probabilities = runtime.Session(pipeline["model"] / "model.onnx").predict(matrix)
    assert len(labels) == 51_513
    assert np.array_equal(labels, native > 0.5)
    assert np.abs(probabilities - native).max() <= 1e-5
    assert 0 < labels.sum() < len(labels)  # both labels occur, so equality says something


def test_a_value_on_a_rounded_threshold_takes_the_native_branch() -> None:
    """Decimal values meet thresholds that float32 cannot hold: rounded up, they would take the other branch."""
    random = np.random.default_rng(11)
    matrix = (random.integers(0, 4000, (6000, 1)) / 100).astype(np.float32)
    labels = (random.random(6000) < 0.5 + 0.4 * np.sin(40 * matrix[:, 0])).astype(float)
    lightgbm = libraries.lightgbm()
    settings = {"objective": "binary", "verbosity": -1, "seed": 1, "num_threads": 1, "min_data_in_leaf": 5}
    model = lightgbm.train(settings, lightgbm.Dataset(matrix, labels), 40)
    found = re.findall(r"^threshold=(.*)$", model.model_to_string(), flags=re.MULTILINE)
    thresholds = np.array([float(number) for line in found for number in line.split()])
    on_threshold = thresholds.astype(np.float32)
    traps = on_threshold[on_threshold.astype(np.float64) > thresholds][:, None]
    assert len(traps) > 10
    native = model.predict(traps)

    _, exported = runtime.Session(export_onnx.convert(model).SerializeToString()).predict(traps)
    assert np.abs(exported - native).max() <= export_onnx.TOLERANCE

    with pytest.MonkeyPatch.context() as without:
        without.setattr(export_onnx, "with_float32_thresholds", lambda text: text)
        _, plain = runtime.Session(export_onnx.convert(model).SerializeToString()).predict(traps)
    assert np.abs(plain - native).max() > export_onnx.TOLERANCE


def test_any_batch_is_scored_without_a_warning(pipeline: dict[str, Path]) -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np; from ml_jobs.serving import runtime\n"
        "session = runtime.Session(Path(sys.argv[1]))\n"
        "for rows in (1, 3, 1000): session.predict(np.zeros((rows, int(sys.argv[2])), np.float32))\n"
    )
    width = len(features.Encoding.load(pipeline["model"] / "encoding.json").features)
    command = [sys.executable, "-c", code, str(pipeline["model"] / "model.onnx"), str(width)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""


def test_the_same_model_is_exported_to_the_same_bytes(
    pipeline: dict[str, Path], step_program: Callable[..., Finished], tmp_path: Path
) -> None:
    """In a process of its own with another hash seed: the whole folder, card and probes included."""
    other = {"PYTHONHASHSEED": "20", "OMP_NUM_THREADS": "1"}  # 20 orders the converter's sets otherwise than 0
    done = step_program(*arguments(folders(pipeline, tmp_path)), **other)
    assert done.code == 0, done.err
    again = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    assert again == {path.name: path.read_bytes() for path in pipeline["model"].iterdir()}
    assert sorted(again) == [
        "checks.json", "encoding.json", "features.py", "model.onnx", "model.txt", "model_card.json", "probes.json",
        "request.schema.json",
    ]  # fmt: skip


def test_the_card_says_where_the_model_comes_from(pipeline: dict[str, Path]) -> None:
    card = json.loads((pipeline["model"] / "model_card.json").read_text())
    assert LINEAGE.items() <= card.items()
    assert card["partitions"] == {"train": ["2013-01"], "validate": ["2013-02"], "test": ["2013-03"]}
    assert card["rows"]["test"] == {"rows": 28_834, "labelled": 27_902, "positive": 6_586}
    assert (card["label"], card["seed"], card["baseline"]) == ("late", 13, "logistic")
    assert card["parameters"]["num_leaves"] == 31
    assert card["metrics"]["candidate"]["auc"] > card["metrics"]["baseline"]["auc"]
    assert card["checks"]["passed"]
    assert card["export"]["different_labels"] == 0
    assert card["export"]["rows"] == 51_513
    checks = json.loads((pipeline["model"] / "checks.json").read_text())
    assert {check["kind"] for check in checks["checks"]} >= {"distinct", "skew", "correlation"}


def test_the_card_s_figures_are_of_the_test_month_and_carry_their_intervals(pipeline: dict[str, Path]) -> None:
    """What a choice or a gate has looked at flatters: the validation month's figures are in the gates only."""
    card = json.loads((pipeline["model"] / "model_card.json").read_text())
    columns, labels = rows.labelled(pipeline["prepare.prepared"], "test", features)
    matrix = features.Encoding.load(pipeline["model"] / "encoding.json").encode(columns)
    probabilities = runtime.Session(pipeline["model"] / "model.onnx").predict(matrix)[1].astype(np.float64)
    assert card["metrics"]["candidate"]["auc"] == pytest.approx(metrics.auc(labels, probabilities), abs=1e-5)
    assert card["metrics"]["candidate"]["log_loss"] == pytest.approx(metrics.log_loss(labels, probabilities), abs=1e-5)
    for name, (low, high) in card["intervals"]["candidate"].items():
        assert low < card["metrics"]["candidate"][name] < high
    assert sum(row["rows"] for row in card["calibration"]) == len(labels)
    assert [gate["gate"] for gate in card["gates"] if "interval" in gate] == [
        "auc against baseline", "log_loss against baseline", "log_loss against base rate",
    ]  # fmt: skip


def test_the_probes_are_held_out_flights_and_the_model_s_own_answers(pipeline: dict[str, Path]) -> None:
    found = json.loads((pipeline["model"] / "probes.json").read_text())
    flights = [flight for asked in found["requests"] for flight in asked["flights"]]
    assert len(found["requests"]) == len(flights) == len(found["answers"]) == 200
    assert {(flight["year"], flight["month"]) for flight in flights} == {(2013, 3)}
    assert len({flight["day"] for flight in flights}) == 31  # spread over the month
    model = runtime.Model(pipeline["model"])
    assert [model.answer(json.dumps(asked)) for asked in found["requests"]] == found["answers"]
    assert len({answer["predictions"][0]["probability"] for answer in found["answers"]}) > 150


def test_few_rows_are_mixed_into_enough_probes(pipeline: dict[str, Path], tmp_path: Path) -> None:
    shutil.copy(pipeline["prepare.prepared"] / "prepared.json", tmp_path)
    source = str(pipeline["prepare.prepared"] / "test.parquet")
    with duckdb.connect() as connection:
        few = connection.read_parquet(source).filter("late IS NOT NULL AND day > 28 AND flight < 20").limit(30)
        few.write_parquet(str(tmp_path / "test.parquet"))
    reader = request.Reader(
        json.loads((FLIGHT_DELAY / "request.schema.json").read_text()), features, features.check_row
    )
    asked, mixed = probes.requests(tmp_path, reader)
    assert (len(asked), mixed) == (200, 170)
    assert asked == probes.requests(tmp_path, reader)[0]
    known = {flight["dest"] for question in asked[:30] for flight in question["flights"]}
    for question in asked:
        reader.read(json.dumps(question))
        assert question["flights"][0]["dest"] in known
    assert len({json.dumps(question) for question in asked[30:]}) > 150


def nudged(model: onnx.ModelProto, attribute: str, factor: float) -> onnx.ModelProto:
    for node in model.graph.node:
        for found in node.attribute:
            if found.name == attribute:
                found.floats[:] = [value * factor for value in found.floats]
    return model


@pytest.mark.parametrize(
    ("attribute", "factor", "message"),
    [
        ("class_weights", 1.001, r"0 of 51513 labels differ \(want 0\), probabilities differ by up to 0\.0"),
        ("class_weights", -1.0, r"parity: \d{3,} of 51513 labels differ"),
        ("nodes_values", 1.0001, "probabilities differ by up to"),
    ],
)
def test_an_export_that_answers_otherwise_is_refused_with_numbers(
    pipeline: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    attribute: str,
    factor: float,
    message: str,
) -> None:
    convert: Callable[..., onnx.ModelProto] = export_onnx.convert
    monkeypatch.setattr(export_onnx, "convert", lambda model: nudged(convert(model), attribute, factor))
    with pytest.raises(step.StepError, match=message):
        export_onnx.export(folders(pipeline, tmp_path), LINEAGE)
    parity = json.loads((tmp_path / "report" / "export.json").read_text())
    assert parity["passed"] is False
    assert parity["largest_difference"] > parity["tolerance"]
    assert not (tmp_path / "model").exists()


def test_a_missing_input_is_named_without_a_stack_trace(
    pipeline: dict[str, Path], step_program: Callable[..., Finished], tmp_path: Path
) -> None:
    given = folders(pipeline, tmp_path)
    given.checks = tmp_path
    done = step_program(*arguments(given))
    assert done.code == 1
    assert done.err == f"error: {tmp_path}/checks.json: no such file; want the output folder of an earlier step\n"
    assert not (tmp_path / "model").exists()


def test_a_missing_model_is_named_without_a_stack_trace(pipeline: dict[str, Path], tmp_path: Path) -> None:
    given = folders(pipeline, tmp_path)
    given.trained = tmp_path / "trained"
    shutil.copytree(pipeline["train.trained"], given.trained)
    (given.trained / "model.txt").unlink()
    with pytest.raises(step.StepError, match=r"model\.txt: no such file"):
        export_onnx.export(given, LINEAGE)


def test_a_label_that_differs_is_no_parity_however_close_the_probabilities() -> None:
    chances = np.array([0.4, 0.6])
    native = SimpleNamespace(predict=lambda _matrix: chances)
    session = SimpleNamespace(predict=lambda _matrix: (np.array([1, 1]), chances))
    found = export_onnx.compare(native, session, np.zeros((2, 1), np.float32))  # type: ignore[arg-type] # all it asks
    assert (found["different_labels"], found["largest_difference"], found["passed"]) == (1, 0.0, False)
