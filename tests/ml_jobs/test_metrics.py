"""Metrics and the logistic baseline, against their definitions."""

import math

import numpy as np
import pytest

from ml_jobs import logistic, metrics
from ml_jobs.arrays import Numbers


def numbers(*values: float) -> Numbers:
    return np.array(values, np.float64)


@pytest.fixture
def drawn() -> tuple[Numbers, Numbers]:
    """Labels and probabilities, rounded so that there are many ties."""
    random = np.random.default_rng(5)
    probabilities = random.random(300).round(1)
    return (random.random(300) < probabilities).astype(np.float64), probabilities


def test_auc_is_the_share_of_pairs_in_the_right_order(drawn: tuple[Numbers, Numbers]) -> None:
    labels, probabilities = drawn
    late, in_time = probabilities[labels == 1][:, None], probabilities[labels == 0][None, :]
    by_definition = ((late > in_time) + (late == in_time) / 2).mean()
    assert metrics.auc(labels, probabilities) == pytest.approx(by_definition, abs=1e-6)


def test_the_area_is_the_mean_of_the_placements_on_both_sides(drawn: tuple[Numbers, Numbers]) -> None:
    """The bootstrap resamples either side through it."""
    labels, probabilities = drawn
    placed = metrics.placements(labels, probabilities)
    assert placed[labels == 0].mean() == pytest.approx(placed[labels == 1].mean())


def test_auc_of_a_perfect_a_useless_and_an_inverted_order() -> None:
    labels = numbers(0, 0, 1, 1)
    assert metrics.auc(labels, numbers(0.1, 0.2, 0.3, 0.4)) == 1
    assert metrics.auc(labels, numbers(0.5, 0.5, 0.5, 0.5)) == 0.5
    assert metrics.auc(labels, numbers(0.4, 0.3, 0.2, 0.1)) == 0


def test_log_loss_by_hand() -> None:
    expected = -(math.log(0.8) + math.log(0.4)) / 2
    assert metrics.log_loss(numbers(1, 0), numbers(0.8, 0.6)) == pytest.approx(expected, abs=1e-6)


def test_a_certain_mistake_costs_much_but_not_everything() -> None:
    assert 30 < metrics.log_loss(numbers(1), numbers(0)) < 40


def test_calibration_error_by_hand() -> None:
    labels, probabilities = numbers(1, 0, 0, 0, 1), numbers(0.25, 0.25, 0.25, 0.25, 0.65)
    assert metrics.calibration_error(labels, probabilities) == pytest.approx(0.2 * 0.35, abs=1e-6)
    assert metrics.calibration(labels, probabilities) == [
        {"from": 0.2, "rows": 4, "promised": 0.25, "observed": 0.25},
        {"from": 0.6, "rows": 1, "promised": 0.65, "observed": 1.0},
    ]


def test_the_error_by_chance_is_that_of_labels_drawn_from_the_probabilities() -> None:
    random = np.random.default_rng(11)
    probabilities = random.random(2000)
    errors = [
        metrics.calibration_error((random.random(2000) < probabilities).astype(np.float64), probabilities)
        for _ in range(200)
    ]
    assert metrics.chance_error(probabilities) == pytest.approx(np.mean(errors), rel=0.05)


def test_a_model_is_judged_by_what_it_promised_not_by_what_happened() -> None:
    labels, probabilities = numbers(1, 1, 0), numbers(0.2, 0.3, 0.1)
    judged = metrics.judge(labels, probabilities)
    assert judged["mean_probability"] == 0.2
    assert (judged["auc"], judged["log_loss"]) == (1, metrics.log_loss(labels, probabilities))


def test_certainty_belongs_to_the_last_bin() -> None:
    assert metrics.calibration(numbers(1), numbers(1)) == [{"from": 0.9, "rows": 1, "promised": 1.0, "observed": 1.0}]


def test_the_baseline_is_the_maximum_of_its_likelihood() -> None:
    random = np.random.default_rng(7)
    matrix = random.normal(size=(800, 4)).astype(np.float32)
    matrix[:, 3] = 1  # a constant feature must not divide by zero
    labels = (random.random(800) < 1 / (1 + np.exp(-2 * matrix[:, 0] + matrix[:, 1]))).astype(np.float64)
    fitted = logistic.fit(matrix, labels)
    probabilities = fitted.predict(matrix)
    standardised = (matrix - fitted.mean) / fitted.scale
    # At the maximum the gradient is zero: intercept free, the others held back by the ridge penalty of 1.
    assert (probabilities - labels).sum() == pytest.approx(0, abs=1e-6)
    assert standardised.T @ (probabilities - labels) + fitted.weights[1:] == pytest.approx(0, abs=1e-6)
    assert metrics.auc(labels, probabilities) > 0.85
