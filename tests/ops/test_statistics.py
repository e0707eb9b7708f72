"""The statistics against a library's, and where they have to come out by reason."""

import importlib
from typing import Any

import numpy as np
import pytest

from ops.statistics import at_least, fisher, p95, p95_ratio, shift, upper


@pytest.fixture(scope="module")
def stats() -> Any:
    """The library, imported where these tests run and not by every worker that looks for tests: it takes a second."""
    return importlib.import_module("scipy.stats")


@pytest.mark.parametrize(("errors", "requests"), [(0, 1), (0, 200), (1, 200), (7, 200), (40, 2000), (199, 200)])
def test_the_upper_bound_is_clopper_and_pearsons(stats: Any, errors: int, requests: int) -> None:
    expected = stats.beta.ppf(0.95, errors + 1, requests - errors)
    assert upper(errors, requests) == pytest.approx(expected, rel=1e-9)


def test_all_errors_and_no_requests_bound_nothing() -> None:
    assert upper(3, 3) == upper(0, 0) == 1.0


@pytest.mark.parametrize(("errors", "requests"), [(1, 10), (4, 10), (9, 200), (200, 200)])
def test_the_chance_of_so_many_errors(stats: Any, errors: int, requests: int) -> None:
    assert at_least(errors, requests, 0.02) == pytest.approx(stats.binom.sf(errors - 1, requests, 0.02), abs=1e-12)


@pytest.mark.parametrize("counts", [(0, 200, 0, 200), (5, 200, 0, 200), (10, 10, 0, 10), (3, 50, 9, 400), (2, 9, 0, 0)])
def test_fishers_test_is_the_librarys(stats: Any, counts: tuple[int, int, int, int]) -> None:
    errors, requests, others, of = counts
    table = [[errors, requests - errors], [others, of - others]]
    assert fisher(*counts) == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue, rel=1e-9)


def test_the_95th_percentile() -> None:
    assert p95([float(each) for each in range(1, 201)]) == 190
    assert p95([float(each) for each in range(210, 0, -1)]) == 200, "in any order, and rounded up"
    assert p95([7.0]) == 7


def test_the_interval_holds_the_true_ratio_in_most_samples() -> None:
    draw = np.random.default_rng(1)
    held = 0
    for _ in range(100):
        low, high = p95_ratio(draw.gamma(4, 1.5, 200).tolist(), draw.gamma(4, 1.0, 200).tolist())
        held += low <= 1.5 <= high
    assert held >= 88


def test_the_interval_is_that_of_drawing_pairs_again_and_again() -> None:
    draw = np.random.default_rng(6)
    values = draw.gamma(1, 1, 200)
    found = [p95(draw.choice(values, 200).tolist()) for _ in range(4000)]
    low, high = p95_ratio(values.tolist(), [1.0] * 200)
    assert low == pytest.approx(np.quantile(found, 0.025), rel=0.05)
    assert high == pytest.approx(np.quantile(found, 0.975), rel=0.05)


def test_what_slows_both_of_a_pair_does_not_widen_the_interval() -> None:
    draw = np.random.default_rng(2)
    noise = draw.gamma(1, 10, 200)
    low, high = p95_ratio((2 * noise).tolist(), noise.tolist())
    assert low == pytest.approx(2)
    assert high == pytest.approx(2)


def test_the_shift_of_the_same_numbers_is_nothing_and_of_others_is_much() -> None:
    numbers = np.random.default_rng(3).beta(2, 5, 400).tolist()
    assert shift(numbers, list(reversed(numbers))) == 0
    assert shift(numbers, [0.98 * each for each in numbers]) < 0.1
    assert shift(numbers, [min(1.0, each + 0.3) for each in numbers]) > 0.25


def test_one_number_for_everything_is_a_distribution_too() -> None:
    assert shift([0.5] * 200, [0.5] * 200) == 0
    assert shift([0.5] * 200, [0.9] * 200) > 0.25
    assert shift([0.1, 0.9] * 100, [0.5] * 200) > 0.25
