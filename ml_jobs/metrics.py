"""Metrics of probabilities against labels, in numpy: scikit-learn would cost 4 s of import for each step.

All are rounded to six digits: below that, the order in which a processor adds numbers up shows.
"""

import numpy as np

from ml_jobs.features import Numbers

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
    """Area under the ROC curve: chance that a late flight ranks above one in time; ties count half."""
    _, position, count = np.unique(probabilities, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    rank = (last - (count - 1) / 2)[position]  # rank from 1, the mean rank for ties
    late = labels.sum()
    area = (rank[labels == 1].sum() - late * (late + 1) / 2) / (late * (len(labels) - late))
    return round(float(area), _DIGITS)


def log_loss(labels: Numbers, probabilities: Numbers) -> float:
    """Mean negative logarithm of the probability given to what happened."""
    given = np.clip(np.where(labels == 1, probabilities, 1 - probabilities), 1e-15, 1)
    return round(float(-np.log(given).mean()), _DIGITS)


def calibration_error(labels: Numbers, probabilities: Numbers) -> float:
    """Expected calibration error: mean distance of promised and observed share, over bins of a tenth."""
    error = 0.0
    for row in calibration(labels, probabilities):
        error += row["rows"] / len(labels) * abs(row["promised"] - row["observed"])
    return round(error, _DIGITS)


def calibration(labels: Numbers, probabilities: Numbers) -> list[dict[str, float]]:
    """Returns promised and observed share of late flights for each bin that holds flights."""
    bins = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
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
