"""Exports the judged model to ONNX, proves that it answers the same, and writes the folder that is registered.

    python -m ml_jobs.export_onnx --prepared PREPARED --trained TRAINED --evaluation EVALUATION --checks CHECKS \
        --request-schema ml_jobs/flight_delay/request.schema.json --commit COMMIT --code-version VERSION \
        --data-version VERSION --environment-version VERSION --out MODEL --report REPORT

Parity is proven on all held-out rows: every label equal, no probability further apart than ``TOLERANCE``. MODEL holds
all that is the model's own and has the same bytes on each run: model.onnx, model.txt, features.py and encoding.json
(how it reads a row), request.schema.json, checks.json, model_card.json (lineage, parameters, figures, gates) and
probes.json (questions and this model's answers, which a deployment of it has to give).
"""

import argparse
import json
import math
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_jobs import boosting, libraries, probes, rows, step
from ml_jobs.arrays import Matrix
from ml_jobs.serving import request, runtime
from ml_jobs.serving.encoder import CODE, FITTED, Encoder

if TYPE_CHECKING:
    import lightgbm
    import onnx

# ONNX adds up float32 leaves in float32: T trees err by at most about T * 2^-24 * S, with S the sum of the leaves'
# magnitudes, and a sigmoid passes on a quarter of it. For 150 trees and S = 10 that is 2e-5 at the worst; rounding
# errors cancel, so 1e-6 is what is seen. 1e-5 leaves room for larger models and is a thousandth of the calibration
# error: nobody could act on it. A wrong branch in one tree moves a probability by 1e-3, so it cannot hide below.
TOLERANCE = 1e-5


def main() -> None:
    """Exports, proves, writes; fails where parity does not hold."""
    parser = argparse.ArgumentParser(prog="python -m ml_jobs.export_onnx", description=__doc__.partition("\n")[0])
    parser.add_argument("--prepared", type=Path, required=True, help="output folder of the model's prepare step")
    parser.add_argument("--trained", type=Path, required=True, help="output folder of the model's train step")
    parser.add_argument("--evaluation", type=Path, required=True, help="output folder of ml_jobs.evaluate")
    parser.add_argument("--checks", type=Path, required=True, help="output folder of ml_jobs.check")
    parser.add_argument("--request-schema", type=Path, required=True, help="the model's request.schema.json")
    parser.add_argument("--commit", required=True, help="commit of the code that trained")
    parser.add_argument("--code-version", required=True, help="version of the code asset that trained")
    parser.add_argument("--data-version", required=True, help="version of the data asset")
    parser.add_argument("--environment-version", required=True, help="version of the environment asset")
    parser.add_argument("--out", type=Path, required=True, help="folder to write: the model to register")
    parser.add_argument("--report", type=Path, required=True, help="folder to write: checks, evaluation and parity")
    arguments = parser.parse_args()
    export(arguments, {name: getattr(arguments, name) for name in runtime.LINEAGE})


def export(folders: argparse.Namespace, lineage: dict[str, str]) -> None:
    """Writes model and report folder.

    Raises:
        step.StepError: labels or probabilities differ by more than allowed; names the numbers. The report is written
            all the same, the model folder is not.
    """
    known = describe(folders)
    encoder = Encoder(folders.trained)
    model = boosting.load(folders.trained)
    parts = [rows.labelled(folders.prepared, part, encoder.fields)[0] for part in ("validate", "test")]
    matrix = np.vstack([encoder.encoding.encode(columns) for columns in parts])
    exported = convert(model).SerializeToString(deterministic=True)
    parity = compare(model, runtime.Session(exported), matrix)
    step.write_json(folders.report / "export.json", parity)
    for name, folder in (("evaluation.json", folders.evaluation), ("checks.json", folders.checks)):
        shutil.copyfile(folder / name, folders.report / name)
    if not parity["passed"]:
        raise step.StepError(
            f"parity: {parity['different_labels']} of {parity['rows']} labels differ (want 0), probabilities differ by "
            f"up to {parity['largest_difference']} (want at most {TOLERANCE}); see {folders.report / 'export.json'}"
        )
    schema = step.read_json(folders.request_schema)
    asked, mixed = probes.requests(folders.prepared, request.Reader(schema, encoder.fields, encoder.check_row))
    card = {**lineage, **known, "export": parity, "probes": {"requests": len(asked), "mixed": mixed}}
    _write_model(folders, exported, card, asked)
    print(f"parity on {parity['rows']} rows: labels equal, largest difference {parity['largest_difference']}")
    print(f"{len(asked)} probes, {mixed} of them mixed from several rows")


def _write_model(folders: argparse.Namespace, exported: bytes, card: dict[str, Any], asked: list[Any]) -> None:
    out: Path = folders.out
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.onnx").write_bytes(exported)
    for name, source in (
        (boosting.NATIVE, folders.trained / boosting.NATIVE),
        (FITTED, folders.trained / FITTED),
        (CODE, folders.trained / CODE),
        ("checks.json", folders.checks / "checks.json"),
        (request.SCHEMA, folders.request_schema),
    ):
        shutil.copyfile(source, out / name)
    step.write_json(out / "model_card.json", card)
    model = runtime.Model(out)
    answers = [model.answer(json.dumps(question)) for question in asked]
    step.write_json(out / "probes.json", {"requests": asked, "answers": answers})


def convert(model: "lightgbm.Booster") -> "onnx.ModelProto":
    """Returns the model as ONNX: features in, label and probabilities of both classes out."""
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    exact = libraries.lightgbm().Booster(model_str=with_float32_thresholds(model.model_to_string()))
    exported: onnx.ModelProto = onnxmltools.convert_lightgbm(
        exact,
        name="model",
        initial_types=[(runtime.INPUT, FloatTensorType([None, model.num_feature()]))],
        zipmap=False,
    )
    # The converter declares one label whatever the batch; ONNX Runtime then warns at every request.
    shape = next(output for output in exported.graph.output if output.name == runtime.LABEL).type.tensor_type.shape
    shape.dim[0].ClearField("dim_value")
    shape.dim[0].dim_param = "N"
    # It also lists the operator sets in the order of a Python set, which differs between processes.
    exported.opset_import.sort(key=lambda opset: opset.domain)
    return exported


def with_float32_thresholds(text: str) -> str:
    """Rounds each threshold of a model down to float32.

    For a float32 value, ``value <= threshold`` holds exactly when ``value <= threshold rounded down``. The converter
    rounds to the nearest instead, which sends values that lie on the rounded threshold the other way.
    """

    def down(line: re.Match[str]) -> str:
        return "threshold=" + " ".join(repr(_float32_at_most(float(number))) for number in line[1].split())

    # The sizes of the trees' texts change with their digits; without the table LightGBM reads them one by one.
    without_sizes = re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^threshold=(.*)$", down, without_sizes, flags=re.MULTILINE)


def _float32_at_most(value: float) -> float:
    nearest = np.float32(value)
    return float(nearest if float(nearest) <= value else np.nextafter(nearest, np.float32(-math.inf)))


def compare(model: "lightgbm.Booster", session: runtime.Session, matrix: Matrix) -> dict[str, Any]:
    """Compares all rows; the native label is the more likely class."""
    native = np.asarray(model.predict(matrix))
    labels, probabilities = session.predict(matrix)
    different = int(np.sum(labels != (native > 0.5)))
    largest = float(np.abs(probabilities - native).max())
    return {
        "rows": len(matrix),
        "different_labels": different,
        "largest_difference": float(f"{largest:.1e}"),
        "tolerance": TOLERANCE,
        "passed": different == 0 and largest <= TOLERANCE,
    }


def describe(folders: argparse.Namespace) -> dict[str, Any]:
    """Returns what the earlier steps know about the model, for its card.

    The run is not on it, so that a repeated run writes the same card: the registered version names it.
    """
    training = step.read_json(folders.trained / "training.json")
    evaluation = step.read_json(folders.evaluation / "evaluation.json")
    prepared = rows.note(folders.prepared)
    checks = step.read_json(folders.checks / "checks.json")
    counts = {part: dict(found) for part, found in prepared["parts"].items()}
    return {
        "label": prepared["label"],
        "partitions": {part: found.pop("partitions") for part, found in counts.items()},
        "rows": counts,
        "seed": training["seed"],
        "parameters": training["parameters"],
        "baseline": evaluation["baseline"],
        **{name: evaluation["test"][name] for name in ("metrics", "intervals", "calibration")},
        "gates": evaluation["gates"],
        "checks": {name: checks[name] for name in ("contract", "passed", "rows", "summary")},
    }


if __name__ == "__main__":
    step.run(main)
