"""Logistic regression: the baseline that a model must beat to be worth its keep."""

from dataclasses import dataclass

import numpy as np

from ml_jobs.arrays import Matrix, Numbers

_PENALTY = 1.0  # scikit-learn's default strength, on standardised features
_STEPS = 25
_CLOSE_ENOUGH = 1e-8


@dataclass(frozen=True, kw_only=True)
class Logistic:
    """A fitted baseline.

    Attributes:
        mean: mean of each feature in training.
        scale: standard deviation of each feature in training; 1 for a constant one.
        weights: intercept, then one weight for each standardised feature.
    """

    mean: Numbers
    scale: Numbers
    weights: Numbers

    def predict(self, matrix: Matrix) -> Numbers:
        """Returns the probability of each row."""
        return _sigmoid(_design(matrix, self.mean, self.scale) @ self.weights)


def fit(matrix: Matrix, labels: Numbers) -> Logistic:
    """Fits by Newton's method; the ridge penalty spares the intercept."""
    deviation = matrix.std(axis=0, dtype=np.float64)
    mean, scale = matrix.mean(axis=0, dtype=np.float64), np.where(deviation > 0, deviation, 1.0)
    design = _design(matrix, mean, scale)
    penalty = np.full(design.shape[1], _PENALTY)
    penalty[0] = 0.0
    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        probabilities = _sigmoid(design @ weights)
        gradient = design.T @ (probabilities - labels) + penalty * weights
        curvature = (design * (probabilities * (1 - probabilities))[:, None]).T @ design + np.diag(penalty)
        change = np.linalg.solve(curvature, gradient)
        weights -= change
        if np.abs(change).max() < _CLOSE_ENOUGH:
            break
    return Logistic(mean=mean, scale=scale, weights=weights)


def _design(matrix: Matrix, mean: Numbers, scale: Numbers) -> Numbers:
    return np.hstack([np.ones((len(matrix), 1)), (matrix - mean) / scale])


def _sigmoid(values: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-np.clip(values, -500, 500)))
