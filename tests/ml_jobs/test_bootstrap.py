"""The bootstrap: quick, and the same as drawing row by row."""

import numpy as np
import pytest

from ml_jobs import bootstrap, metrics
from ml_jobs.arrays import Numbers


def drawn(rows: int, seed: int = 3) -> tuple[Numbers, dict[str, Numbers]]:
    random = np.random.default_rng(seed)
    odds = random.normal(-1, 1, rows)
    labels = (random.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.float64)
    one, other = (1 / (1 + np.exp(-odds - random.normal(0, size, rows))) for size in (0.3, 0.8))
    return labels, {"one": one, "other": other.round(2)}  # with ties


def row_by_row(labels: Numbers, models: dict[str, Numbers], times: int) -> dict[str, Numbers]:
    """The textbook: draw as many rows as there are, with replacement, and compute both figures anew."""
    random = np.random.default_rng(8)
    found: dict[str, list[float]] = {"auc": [], "log_loss": []}
    for _ in range(times):
        rows = random.integers(0, len(labels), len(labels))
        for name, values in found.items():
            figure = metrics.auc if name == "auc" else metrics.log_loss
            one, other = (figure(labels[rows], models[model][rows]) for model in ("one", "other"))
            values.append(one - other)
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.parametrize(("rows", "tolerance"), [(2_000, 0.06), (150, 0.1)])
def test_differences_spread_as_when_drawn_row_by_row(rows: int, tolerance: float) -> None:
    labels, models = drawn(rows)
    quick, slow = bootstrap.resample(labels, models), row_by_row(labels, models, 3_000)
    for name, expected in slow.items():
        difference = quick["one"][name] - quick["other"][name]
        assert len(difference) == 10_000
        assert difference.std() == pytest.approx(expected.std(), rel=tolerance), name
        width = np.ptp(np.percentile(expected, [2.5, 97.5]))
        low, high = bootstrap.interval(difference)
        assert [low, high] == pytest.approx(np.percentile(expected, [2.5, 97.5]), abs=tolerance * width), name


def test_the_middle_of_the_resamples_is_the_figure_itself() -> None:
    labels, models = drawn(2_000)
    resampled = bootstrap.resample(labels, models)
    for name, probabilities in models.items():
        assert resampled[name]["auc"].mean() == pytest.approx(metrics.auc(labels, probabilities), abs=5e-4)
        assert resampled[name]["log_loss"].mean() == pytest.approx(metrics.log_loss(labels, probabilities), abs=5e-4)


def test_ninety_five_of_a_hundred_intervals_hold_the_truth() -> None:
    """Samples of one population: the interval of the mean loss should miss its mean in 5 % of them."""
    losses = []
    intervals = []
    for seed in range(120):
        labels, models = drawn(400, seed)
        losses.append(metrics.log_loss(labels, models["one"]))
        intervals.append(bootstrap.interval(bootstrap.resample(labels, {"one": models["one"]})["one"]["log_loss"]))
    truth = np.mean(losses)
    missed = sum(not low <= truth <= high for low, high in intervals)
    assert 1 <= missed <= 14


def test_equal_models_differ_by_nothing_and_the_same_call_gives_the_same() -> None:
    labels, models = drawn(300)
    both = {"one": models["one"], "other": models["one"]}
    resampled = bootstrap.resample(labels, both)
    for name in ("auc", "log_loss"):
        assert bootstrap.interval(resampled["one"][name] - resampled["other"][name]) == [0, 0]
        assert np.array_equal(resampled["one"][name], bootstrap.resample(labels, both)["one"][name])


def test_a_loss_that_is_the_same_on_every_row_does_not_spread() -> None:
    """A resample's mean is over the rows that it drew, not over all."""
    labels = np.array([1.0, 0.0] * 100)
    same = bootstrap.resample(labels, {"one": np.full(200, 0.5)})["one"]
    assert bootstrap.interval(same["log_loss"]) == [0.693147, 0.693147]


def test_a_bound_of_nothing_has_no_sign() -> None:
    assert str(bootstrap.interval(np.full(10, -1e-9))) == "[0.0, 0.0]"


def test_few_rows_of_a_class_give_an_interval_and_no_warning() -> None:
    labels = np.array([1.0, 0.0, 0.0, 0.0, 0.0])
    resampled = bootstrap.resample(labels, {"one": np.array([0.9, 0.1, 0.2, 0.95, 0.3])})["one"]
    assert ((resampled["auc"] >= 0) & (resampled["auc"] <= 1)).all()
    assert np.isfinite(resampled["log_loss"]).all()


def test_a_row_is_drawn_once_on_average_with_variance_one() -> None:
    draws = np.hstack(list(bootstrap._draws(40)))
    assert draws.shape == (40, 10_000)
    assert draws.mean() == pytest.approx(1, abs=0.01)
    assert draws.var() == pytest.approx(1, abs=0.01)
