"""Judges a trained model on the held-out rows; a failing gate stops the pipeline.

    python -m ml_jobs.evaluate --prepared PREPARED --trained TRAINED [--champion MODEL] --baseline logistic \
        --auc-margin 0.005 --log-loss-margin 0.002 --calibration-margin 0.05 --out EVALUATION

Gates look at the validation part, and at 95 % intervals (``bootstrap``) rather than at points, each on the same rows:

- area under the ROC curve above, and log loss below, the baseline's: no part of the interval of the difference may lie
  on the wrong side of zero. The baseline is a logistic regression on the same features, or, for data too few to fit
  one, the prior: the training part's share for every row;
- log loss below the base rate's, which is that share too: a model whose promises are so far off that they cost more
  than its ranking gains is refused, however well it ranks;
- calibration error at most that of the base rate, plus what chance alone shows, plus ``--calibration-margin``. The
  base rate's error is how much the share itself moved since training, which no model can know: over 2013 the share of
  late flights moves by up to 12 points from month to month, and by 0.3 points from January to February;
- with a champion (a registered model's folder): no worse than it by more than the margins, with 97.5 % confidence. The
  champion encodes with its own code and encoding, and must not have been trained on what it is judged on.

The figures of the model card come from the test part, which no gate and no choice looks at.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ml_jobs import arguments, boosting, bootstrap, logistic, metrics, rows, step, tracking
from ml_jobs.arrays import Matrix, Numbers
from ml_jobs.serving.encoder import Encoder

BASELINES = ("logistic", "prior")

Models = dict[str, Numbers]  # probabilities by model


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What the gates allow.

    Attributes:
        auc_margin: by which the area may be below the champion's. The default of the flights' pipeline, 0.005, is a
            fifth of what that model gains over its baseline.
        log_loss_margin: by which the log loss may be above the champion's; 0.002 there, a quarter of the gain.
        calibration_margin: by which the calibration error may be above that of the base rate and of chance. 0.05 there:
            a promise of 30 % may turn out as 25 %; answering any one share that is further off is refused.
    """

    auc_margin: float
    log_loss_margin: float
    calibration_margin: float


def main() -> None:
    """Writes evaluation.json, logs the metrics, and fails if a gate fails."""
    margin = arguments.real(0, 1)
    parser = argparse.ArgumentParser(prog="python -m ml_jobs.evaluate", description=__doc__.partition("\n")[0])
    parser.add_argument("--prepared", type=Path, required=True, help="output folder of the model's prepare step")
    parser.add_argument("--trained", type=Path, required=True, help="output folder of the model's train step")
    parser.add_argument("--champion", type=Path, help="folder of a registered model to compare with")
    parser.add_argument("--baseline", choices=BASELINES, required=True, help="what the model has to beat")
    parser.add_argument("--auc-margin", type=margin, required=True, help="allowed loss of area against the champion")
    parser.add_argument("--log-loss-margin", type=margin, required=True, help="allowed rise against the champion")
    parser.add_argument("--calibration-margin", type=margin, required=True, help="allowed rise above the base rate's")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    given = parser.parse_args()
    tracking.begin()
    bounds = Bounds(
        auc_margin=given.auc_margin,
        log_loss_margin=given.log_loss_margin,
        calibration_margin=given.calibration_margin,
    )
    report = evaluate(given.prepared, given.trained, given.champion, given.baseline, bounds)
    step.write_json(given.out / "evaluation.json", report)
    tracking.log({}, {f"test_{name}": value for name, value in report["test"]["metrics"]["candidate"].items()})
    for gate in report["gates"]:
        print(f"{'passed' if gate['passed'] else 'FAILED'}: {_described(gate)}")
    failed = [gate["gate"] for gate in report["gates"] if not gate["passed"]]
    if failed:
        print(f"error: {len(failed)} of {len(report['gates'])} gates failed: {', '.join(failed)}", file=sys.stderr)
        sys.exit(1)


def evaluate(prepared: Path, trained: Path, champion: Path | None, baseline: str, bounds: Bounds) -> dict[str, Any]:
    """Returns the verdict of each gate, and the figures of candidate, baseline and champion on both held-out parts.

    Raises:
        step.StepError: the champion was trained on a held-out part, or a folder is not what it should be.
    """
    note = rows.note(prepared)
    if champion is not None:
        _demand_unseen(champion, note["parts"])
    candidate = Encoder(trained)
    columns, labels = rows.labelled(prepared, "train", candidate.fields)
    share, matrix = float(labels.mean()), candidate.encoding.encode(columns)
    fitted = logistic.fit(matrix, labels) if baseline == "logistic" else None
    native = boosting.load(trained)
    judged = {}
    for part in ("validate", "test"):
        columns, labels = rows.labelled(prepared, part, candidate.fields)
        matrix = candidate.encoding.encode(columns)
        base_rate = np.full(len(labels), share)
        models = {
            "candidate": np.asarray(native.predict(matrix)),
            "baseline": base_rate if fitted is None else fitted.predict(matrix),
            "base_rate": base_rate,
        }
        if champion is not None:
            models["champion"] = _champion(champion, prepared, part)
        judged[part] = labels, models
    return {
        "baseline": baseline,
        "rows": {part: len(labels) for part, (labels, _) in judged.items()},
        "validate": {"metrics": _figures(*judged["validate"])},
        "gates": gates(*judged["validate"], bounds),
        "test": _shown(*judged["test"]),
    }


def gates(labels: Numbers, models: Models, bounds: Bounds) -> list[dict[str, Any]]:
    """Returns each gate with what it wants, what it saw and whether it passed."""
    resampled = bootstrap.resample(labels, models)
    candidate = resampled["candidate"]

    def difference(metric: str, other: str, margin: float = 0.0) -> dict[str, Any]:
        sign = 1 if metric == "auc" else -1
        low, high = bootstrap.interval(candidate[metric] - resampled[other][metric])
        figure = metrics.auc if metric == "auc" else metrics.log_loss
        bound = -sign * margin if margin else 0
        worst = low if sign == 1 else high
        return {
            "gate": f"{metric} against {other.replace('_', ' ')}",
            "observed": round(figure(labels, models["candidate"]) - figure(labels, models[other]), 6),
            "interval": [low, high],
            "wanted": f"interval {'above' if sign == 1 else 'below'} {bound:g}",
            "passed": bool(sign * (worst - bound) > 0),
        }

    found = [
        difference("auc", "baseline"),
        difference("log_loss", "baseline"),
        difference("log_loss", "base_rate"),
        _calibration(labels, models, bounds.calibration_margin),
    ]
    if "champion" in models:
        found += [
            difference("auc", "champion", bounds.auc_margin),
            difference("log_loss", "champion", bounds.log_loss_margin),
        ]
    return found


def _calibration(labels: Numbers, models: Models, margin: float) -> dict[str, Any]:
    observed = metrics.calibration_error(labels, models["candidate"])
    moved = metrics.calibration_error(labels, models["base_rate"])
    chance = metrics.chance_error(models["candidate"])
    bound = round(moved + chance + margin, 6)
    return {
        "gate": "calibration_error",
        "observed": observed,
        "wanted": f"at most {bound:g} (base rate {moved:g}, chance {chance:g}, margin {margin:g})",
        "passed": observed <= bound,
    }


def _described(gate: dict[str, Any]) -> str:
    interval = f" [{gate['interval'][0]:g}, {gate['interval'][1]:g}]" if "interval" in gate else ""
    return f"{gate['gate']}: {gate['observed']:g}{interval}, want {gate['wanted']}"


def _figures(labels: Numbers, models: Models) -> dict[str, dict[str, float]]:
    return {name: metrics.judge(labels, probabilities) for name, probabilities in models.items()}


def _shown(labels: Numbers, models: Models) -> dict[str, Any]:
    """What the model card shows: figures of all models, and intervals and calibration of the candidate's."""
    resampled = bootstrap.resample(labels, {"candidate": models["candidate"]})["candidate"]
    return {
        "metrics": _figures(labels, models),
        "intervals": {"candidate": {name: bootstrap.interval(values) for name, values in resampled.items()}},
        "calibration": metrics.calibration(labels, models["candidate"]),
        "positive_share": round(float(labels.mean()), 6),
    }


def _demand_unseen(champion: Path, parts: dict[str, Any]) -> None:
    card = step.read_json(champion / "model_card.json")
    try:
        learnt = set(card["partitions"]["train"])
    except (KeyError, TypeError):
        raise step.StepError(
            f"{champion / 'model_card.json'}: names no partitions; want the card of an export"
        ) from None
    for part in ("validate", "test"):
        seen = sorted(learnt & set(parts[part]["partitions"]))
        if seen:
            raise step.StepError(
                f"--champion {champion}: was trained on {', '.join(seen)}, the {part} part now, and would look better "
                f"than it is; want {part} months after {max(learnt)}"
            )


def _champion(folder: Path, prepared: Path, part: str) -> Numbers:
    from ml_jobs.serving import runtime

    encoder = Encoder(folder)
    if not (folder / "model.onnx").is_file():
        raise step.StepError(f"--champion {folder}: holds no model.onnx; want the folder of a registered model")
    columns, _ = rows.labelled(prepared, part, encoder.fields)
    matrix: Matrix = encoder.encoding.encode(columns)
    _, probabilities = runtime.Session(folder / "model.onnx").predict(matrix)
    return probabilities.astype(np.float64)


if __name__ == "__main__":
    step.run(main)
