"""Metrics of probabilities against labels, in numpy: scikit-learn would cost 4 s of import for each step.

All figures are rounded to six digits: below that, the order in which a processor adds numbers up shows.
"""

import math

import numpy as np

from ml_jobs.arrays import Numbers

_BINS = 10
_DIGITS = 6


def judge(labels: Numbers, probabilities: Numbers) -> dict[str, float]:
    """Returns the metrics of one model, named as they are logged and written on the model card."""
    return {
        "auc": auc(labels, probabilities),
        "log_loss": log_loss(labels, probabilities),
        "calibration_error": calibration_error(labels, probabilities),
        "mean_probability": round(float(probabilities.mean()), _DIGITS),
    }


def auc(labels: Numbers, probabilities: Numbers) -> float:
    """Area under the ROC curve: chance that a positive row ranks above a negative one; ties count half."""
    return round(float(placements(labels, probabilities)[labels == 1].mean()), _DIGITS)


def placements(labels: Numbers, probabilities: Numbers) -> Numbers:
    """For each row, the share of the other class that it is ranked right against; ties count half."""
    placed = np.empty(len(labels))
    for label in (0, 1):
        own, others = probabilities[labels == label], np.sort(probabilities[labels != label])
        below = (np.searchsorted(others, own, "left") + np.searchsorted(others, own, "right")) / (2 * len(others))
        placed[labels == label] = below if label else 1 - below
    return placed


def log_loss(labels: Numbers, probabilities: Numbers) -> float:
    """Mean negative logarithm of the probability given to what happened."""
    return round(float(losses(labels, probabilities).mean()), _DIGITS)


def losses(labels: Numbers, probabilities: Numbers) -> Numbers:
    """Negative logarithm of the probability that each row's outcome was given."""
    given: Numbers = np.clip(np.where(labels == 1, probabilities, 1 - probabilities), 1e-15, 1)
    return -np.log(given)


def calibration_error(labels: Numbers, probabilities: Numbers) -> float:
    """Expected calibration error: mean distance of promised and observed share, over bins of a tenth."""
    error = 0.0
    for row in calibration(labels, probabilities):
        error += row["rows"] / len(labels) * abs(row["promised"] - row["observed"])
    return round(error, _DIGITS)


def chance_error(probabilities: Numbers) -> float:
    """The calibration error that probabilities which are right would show on so many rows: the luck of the draw.

    A bin's observed share has the standard deviation sqrt(sum of p (1 - p)) / rows, and the mean distance of a normal
    value from its mean is sqrt(2 / pi) standard deviations.
    """
    bins, variance = _bins(probabilities), probabilities * (1 - probabilities)
    deviations = [math.sqrt(float(variance[bins == number].sum())) for number in np.unique(bins)]
    return round(math.sqrt(2 / math.pi) * sum(deviations) / len(probabilities), _DIGITS)


def calibration(labels: Numbers, probabilities: Numbers) -> list[dict[str, float]]:
    """Returns promised and observed share of positive rows for each bin that holds rows."""
    bins = _bins(probabilities)
    table = []
    for number in np.unique(bins):
        inside = bins == number
        table.append(
            {
                "from": int(number) / _BINS,
                "rows": int(inside.sum()),
                "promised": round(float(probabilities[inside].mean()), _DIGITS),
                "observed": round(float(labels[inside].mean()), _DIGITS),
            }
        )
    return table


def _bins(probabilities: Numbers) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.minimum((probabilities * _BINS).astype(np.int64), _BINS - 1)
