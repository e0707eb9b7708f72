"""The wine model from end to end: its data, its parts, what it learns, what it answers."""

import json
import shutil
from pathlib import Path

import duckdb
import jsonschema  # type: ignore[import-untyped] # comes with azure-ai-ml, without types
import numpy as np
import pytest
import yaml

from ml_jobs import check, evaluate, rows
from ml_jobs.template import features, snapshot
from tests.ml_jobs.conftest import LINEAGE, Folders, RunPipeline, answer

FOLDER = Path(features.__file__).parent
SAMPLE = json.loads((FOLDER / "sample_request.json").read_text())
SCHEMA = json.loads((FOLDER / "request.schema.json").read_text())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The snapshot; tests do not write to it."""
    folder = tmp_path_factory.mktemp("data") / "wine"
    snapshot.snapshot(folder)
    return folder


@pytest.fixture(scope="module")
def pipeline(data: Path, run_pipeline: RunPipeline) -> Folders:
    """The pipeline, run once."""
    return run_pipeline(FOLDER, data)


def test_the_snapshot_has_the_same_bytes_and_is_not_written_twice(data: Path, tmp_path: Path) -> None:
    assert snapshot.snapshot(tmp_path) == 178
    file = tmp_path / "wine.parquet"
    assert file.read_bytes() == (data / "wine.parquet").read_bytes()
    written = file.stat().st_mtime_ns
    snapshot.snapshot(tmp_path)
    assert file.stat().st_mtime_ns == written


def test_broken_data_do_not_keep_the_contract(data: Path, tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        wines = connection.read_parquet(str(data / "wine.parquet"))
        broken = wines.project("* REPLACE (if(cultivar = 2, -proline, proline) AS proline, 4 AS cultivar)")
        broken.write_parquet(str(tmp_path / "wine.parquet"))
    assert check.check(data, (), FOLDER / "contract.yaml")["passed"]
    failed = [found for found in check.check(tmp_path, (), FOLDER / "contract.yaml")["checks"] if not found["passed"]]
    assert {("proline", "range"), ("cultivar", "distinct")} <= {(found["column"], found["kind"]) for found in failed}


def test_every_wine_is_in_one_part(pipeline: Folders) -> None:
    parts = rows.note(pipeline["prepare.prepared"])["parts"]
    assert sum(part["rows"] for part in parts.values()) == 178
    assert sum(part["positive"] for part in parts.values()) == 59
    seen: set[tuple[float, ...]] = set()
    for part in rows.PARTS:
        columns, _ = rows.labelled(pipeline["prepare.prepared"], part, features)
        wines = set(zip(*(columns[name].tolist() for name in features.NUMBERS), strict=True))
        assert not wines & seen
        seen |= wines


def test_the_model_beats_its_baseline(pipeline: Folders) -> None:
    card = json.loads((pipeline["model"] / "model_card.json").read_text())
    assert [gate["gate"] for gate in card["gates"] if not gate["passed"]] == []
    assert card["metrics"]["candidate"]["auc"] > 0.9 > card["metrics"]["baseline"]["auc"]
    assert card["metrics"]["candidate"]["log_loss"] < card["metrics"]["baseline"]["log_loss"]
    assert LINEAGE.items() <= card.items()


def test_the_same_model_passes_as_its_own_successor(pipeline: Folders) -> None:
    definition = yaml.safe_load((FOLDER / "pipeline.yaml").read_text())["inputs"]
    bounds = evaluate.Bounds(
        auc_margin=definition["auc_margin"]["default"],
        log_loss_margin=definition["log_loss_margin"]["default"],
        calibration_margin=definition["calibration_margin"]["default"],
    )
    report = evaluate.evaluate(
        pipeline["prepare.prepared"], pipeline["train.trained"], pipeline["model"], "prior", bounds
    )
    assert [gate["gate"] for gate in report["gates"] if not gate["passed"]] == []


def test_the_schema_describes_exactly_the_fields_of_the_model() -> None:
    (listed,) = SCHEMA["properties"].values()
    assert set(listed["items"]["properties"]) == set(listed["items"]["required"]) == set(features.FIELDS)
    jsonschema.Draft202012Validator(SCHEMA).validate(SAMPLE)


def test_the_sample_is_answered(pipeline: Folders) -> None:
    given = answer(pipeline["model"], SAMPLE)
    assert given["model"] == LINEAGE
    (prediction,) = given["predictions"]
    assert prediction["first_cultivar"] is (prediction["probability"] > 0.5)


def test_there_are_enough_probes_and_each_is_answered_as_written(pipeline: Folders) -> None:
    probes = json.loads((pipeline["model"] / "probes.json").read_text())
    assert len(probes["requests"]) == len(probes["answers"]) == 200
    assert [answer(pipeline["model"], asked) for asked in probes["requests"][::25]] == probes["answers"][::25]
    assert len({given["predictions"][0]["probability"] for given in probes["answers"]}) > 20


def test_a_missing_measurement_becomes_the_training_median(pipeline: Folders) -> None:
    encoding = features.Encoding.load(pipeline["model"] / "encoding.json")
    columns = {name: np.array([np.nan]) for name in features.NUMBERS}
    assert encoding.encode(columns)[0].tolist() == [np.float32(encoding.fills[name]) for name in features.NUMBERS]


def test_the_model_folder_is_all_that_an_answer_needs(pipeline: Folders, tmp_path: Path) -> None:
    shutil.copytree(pipeline["model"], tmp_path / "elsewhere")
    assert answer(tmp_path / "elsewhere", SAMPLE) == answer(pipeline["model"], SAMPLE)
