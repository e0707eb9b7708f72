"""Exports the judged model to ONNX, proves that it answers the same, and writes the folder that is registered.

    python -m ml_jobs.export_onnx --prepared PREPARED --trained TRAINED --evaluation EVALUATION --checks CHECKS \
        --commit COMMIT --data-version VERSION --environment-version VERSION --out MODEL --report REPORT

Parity is proven on all held-out rows: every label equal, no probability further apart than ``TOLERANCE``. Speed
against the native model is measured and goes to the report only, so that MODEL has the same bytes on each run:
model.onnx, model.txt, encoding.json, checks.json, model_card.json (lineage, parameters, metrics, checks, parity) and
sample.json (a request and this model's answer, which a deployment of it has to give).
"""

import argparse
import json
import math
import re
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml_jobs import features, libraries, prepare, runtime, step, train

if TYPE_CHECKING:
    import lightgbm
    import onnx

# ONNX adds up float32 leaves in float32: T trees err by at most about T * 2^-24 * S, with S the sum of the leaves'
# magnitudes, and a sigmoid passes on a quarter of it. For 150 trees and S = 10 that is 2e-5 at the worst; rounding
# errors cancel, so 1e-6 is what is seen. 1e-5 leaves room for larger models and is a thousandth of the calibration
# error: nobody could act on it. A wrong branch in one tree moves a probability by 1e-3, so it cannot hide below.
TOLERANCE = 1e-5
_BATCHES = (1, 1000)
_SAMPLE_REQUEST = Path(__file__).with_name("sample_request.json")
_MEASURE_SECONDS = 0.3


def main() -> None:
    """Exports, proves, measures, writes; fails where parity does not hold."""
    parser = argparse.ArgumentParser(prog="python -m ml_jobs.export_onnx", description=__doc__.partition("\n")[0])
    parser.add_argument("--prepared", type=Path, required=True, help="output folder of ml_jobs.prepare")
    parser.add_argument("--trained", type=Path, required=True, help="output folder of ml_jobs.train")
    parser.add_argument("--evaluation", type=Path, required=True, help="output folder of ml_jobs.evaluate")
    parser.add_argument("--checks", type=Path, required=True, help="output folder of ml_jobs.check")
    parser.add_argument("--commit", required=True, help="commit of the code that trained")
    parser.add_argument("--data-version", required=True, help="version of the data asset")
    parser.add_argument("--environment-version", required=True, help="version of the environment asset")
    parser.add_argument("--out", type=Path, required=True, help="folder to write: the model to register")
    parser.add_argument("--report", type=Path, required=True, help="folder to write: evaluation and speed")
    arguments = parser.parse_args()
    lineage = {name: getattr(arguments, name) for name in ("commit", "data_version", "environment_version")}
    export(arguments, lineage)


def export(folders: argparse.Namespace, lineage: dict[str, str]) -> None:
    """Writes model and report folder.

    Raises:
        step.StepError: labels or probabilities differ by more than allowed; names the numbers. The report is written
            all the same, the model folder is not.
    """
    known = describe(folders)
    model = train.load(folders.trained)
    encoding = features.Encoding.load(folders.trained / "encoding.json")
    columns, _ = prepare.labelled(folders.prepared, "validate")
    matrix = encoding.encode(columns)
    exported = convert(model).SerializeToString(deterministic=True)
    session = runtime.Session(exported)
    parity = compare(model, session, matrix)
    speed = [measure(model, session, matrix, batch) for batch in _BATCHES]
    step.write_json(folders.report / "export.json", {"parity": parity, "speed": speed})
    for name, folder in (("evaluation.json", folders.evaluation), ("checks.json", folders.checks)):
        shutil.copyfile(folder / name, folders.report / name)
    if not parity["passed"]:
        raise step.StepError(
            f"parity: {parity['different_labels']} of {parity['rows']} labels differ (want 0), probabilities differ by "
            f"up to {parity['largest_difference']} (want at most {TOLERANCE}); see {folders.report / 'export.json'}"
        )
    _write_model(folders, exported, {**lineage, **known, "export": parity})
    for row in speed:
        times = f"native {row['native_ms']} ms, ONNX {row['onnx_ms']} ms"
        print(f"batch {row['rows']}: {times}, {row['speedup']} times as fast")
    print(f"parity on {parity['rows']} rows: labels equal, largest difference {parity['largest_difference']}")


def _write_model(folders: argparse.Namespace, exported: bytes, card: dict[str, Any]) -> None:
    out: Path = folders.out
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.onnx").write_bytes(exported)
    for name, folder in (
        ("model.txt", folders.trained),
        ("encoding.json", folders.trained),
        ("checks.json", folders.checks),
    ):
        shutil.copyfile(folder / name, out / name)
    step.write_json(out / "model_card.json", card)
    sample = _SAMPLE_REQUEST.read_text(encoding="utf-8")
    answer = runtime.Model(out).answer(sample)
    step.write_json(out / "sample.json", {"request": json.loads(sample), "answer": answer})


def convert(model: "lightgbm.Booster") -> "onnx.ModelProto":
    """Returns the model as ONNX: features in, label and probabilities of both classes out."""
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    exact = libraries.lightgbm().Booster(model_str=with_float32_thresholds(model.model_to_string()))
    exported: onnx.ModelProto = onnxmltools.convert_lightgbm(
        exact,
        name="flight-delay",
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


def compare(model: "lightgbm.Booster", session: runtime.Session, matrix: features.Matrix) -> dict[str, Any]:
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


def measure(
    model: "lightgbm.Booster", session: runtime.Session, matrix: features.Matrix, rows: int
) -> dict[str, float]:
    """Returns the median time of one call with ``rows`` rows, one thread each."""
    batch = np.ascontiguousarray(matrix[:rows])
    native = _median_ms(lambda: model.predict(batch, num_threads=1))
    exported = _median_ms(lambda: session.predict(batch))
    return {
        "rows": len(batch),
        "native_ms": round(native, 4),
        "onnx_ms": round(exported, 4),
        "speedup": round(native / exported, 2),
    }


def _median_ms(call: Callable[[], object]) -> float:
    call()  # the first call allocates
    times: list[float] = []
    end = time.perf_counter() + _MEASURE_SECONDS
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def describe(folders: argparse.Namespace) -> dict[str, Any]:
    """Returns what the earlier steps know about the model, for its card.

    The run is not on it, so that a repeated run writes the same card: the registered version names it.
    """
    training = step.read_json(folders.trained / "training.json")
    evaluation = step.read_json(folders.evaluation / "evaluation.json")
    prepared = step.read_json(folders.prepared / "prepared.json")
    checks = step.read_json(folders.checks / "checks.json")
    return {
        "train_month": prepared["train_month"],
        "validate_month": prepared["validate_month"],
        "seed": training["seed"],
        "parameters": training["parameters"],
        "metrics": evaluation["metrics"],
        "gates": evaluation["gates"],
        "checks": {name: checks[name] for name in ("contract", "passed", "rows", "summary")},
    }


if __name__ == "__main__":
    step.run(main)
