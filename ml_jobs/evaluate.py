"""Judges a trained model on the held-out month; a failing gate stops the pipeline.

    python -m ml_jobs.evaluate --prepared PREPARED --trained TRAINED [--champion MODEL] --out EVALUATION

Gates, each written to evaluation.json with its numbers, whether it passes or not:

- area under the ROC curve above, and log loss below, those of a logistic regression on the same features and rows;
- calibration error at most ``MAX_CALIBRATION_ERROR``;
- with a champion (a registered model's folder): no worse than it in either measure, on the same flights. The champion
  encodes them with its own encoding.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ml_jobs import features, logistic, metrics, prepare, step, tracking, train

# Next month is more or less late than this one: over 2013 the share moves by 4 to 12 points from month to month. A
# model further off than that is wrong and not only surprised.
MAX_CALIBRATION_ERROR = 0.15
# The champion is scored in float32, the candidate in float64, which can swap ties: an equal model must pass.
TIE = 1e-5


def main() -> None:
    """Writes evaluation.json, logs the metrics, and fails if a gate fails."""
    parser = argparse.ArgumentParser(prog="python -m ml_jobs.evaluate", description=__doc__.partition("\n")[0])
    parser.add_argument("--prepared", type=Path, required=True, help="output folder of ml_jobs.prepare")
    parser.add_argument("--trained", type=Path, required=True, help="output folder of ml_jobs.train")
    parser.add_argument("--champion", type=Path, help="folder of a registered model to compare with")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    report = evaluate(arguments.prepared, arguments.trained, arguments.champion)
    step.write_json(arguments.out / "evaluation.json", report)
    tracking.log({}, {f"validate_{name}": value for name, value in report["metrics"]["candidate"].items()})
    for gate in report["gates"]:
        print(f"{'passed' if gate['passed'] else 'FAILED'}: {gate['gate']}: {gate['observed']}, want {gate['wanted']}")
    failed = [gate["gate"] for gate in report["gates"] if not gate["passed"]]
    if failed:
        print(f"error: {len(failed)} of {len(report['gates'])} gates failed: {', '.join(failed)}", file=sys.stderr)
        sys.exit(1)


def evaluate(prepared: Path, trained: Path, champion: Path | None) -> dict[str, Any]:
    """Returns metrics of candidate, baseline and champion, and the verdict of each gate."""
    encoding = features.Encoding.load(trained / "encoding.json")
    columns, labels = prepare.labelled(prepared, "validate")
    judged = {} if champion is None else {"champion": metrics.judge(labels, _champion(champion, columns))}
    matrix = encoding.encode(columns)
    probabilities = np.asarray(train.load(trained).predict(matrix))
    training_columns, training_labels = prepare.labelled(prepared, "train")
    baseline = logistic.fit(encoding.encode(training_columns), training_labels)
    judged["candidate"] = metrics.judge(labels, probabilities)
    judged["baseline"] = metrics.judge(labels, baseline.predict(matrix))
    return {
        "rows": len(labels),
        "late_share": round(float(labels.mean()), 6),
        "metrics": judged,
        "calibration": metrics.calibration(labels, probabilities),
        "gates": gates(judged),
    }


def gates(judged: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """Returns each gate with what it wants, what it saw and whether it passed."""
    candidate, baseline = judged["candidate"], judged["baseline"]
    found = [
        _above("auc against baseline", candidate["auc"], baseline["auc"]),
        _below("log_loss against baseline", candidate["log_loss"], baseline["log_loss"]),
        _below("calibration_error", candidate["calibration_error"], MAX_CALIBRATION_ERROR),
    ]
    if "champion" in judged:
        champion = judged["champion"]
        found += [
            _above("auc against champion", candidate["auc"], round(champion["auc"] - TIE, 6)),
            _below("log_loss against champion", candidate["log_loss"], round(champion["log_loss"] + TIE, 6)),
        ]
    return found


def _above(gate: str, observed: float, bound: float) -> dict[str, Any]:
    return {"gate": gate, "observed": observed, "wanted": f"above {bound}", "passed": observed > bound}


def _below(gate: str, observed: float, bound: float) -> dict[str, Any]:
    return {"gate": gate, "observed": observed, "wanted": f"below {bound}", "passed": observed < bound}


def _champion(folder: Path, columns: features.Columns) -> features.Numbers:
    from ml_jobs import runtime

    encoding = features.Encoding.load(folder / "encoding.json")
    if not (folder / "model.onnx").is_file():
        raise step.StepError(f"--champion {folder}: holds no model.onnx; want the folder of a registered model")
    _, probabilities = runtime.Session(folder / "model.onnx").predict(encoding.encode(columns))
    return probabilities.astype("float64")


if __name__ == "__main__":
    step.run(main)
