"""The few statistics that a gate decides by: exact intervals and tests of counts, a bootstrap of latencies, a shift.

Written out here because they are short and their library takes a second to load, which a release would pay each time.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

# Enough for two stable digits of a 95 % interval.
_RESAMPLES = 1000
_BINS = 10


def upper(errors: int, requests: int, confidence: float = 0.95) -> float:
    """Clopper and Pearson's one-sided upper bound of an error share, between 0 and 1; 1 without requests."""
    if errors >= requests:
        return 1.0
    return _root(lambda share: _at_most(errors, requests, share) - (1 - confidence))


def at_least(errors: int, requests: int, share: float) -> float:
    """The chance of at least this many errors at a given share."""
    return 1.0 - _at_most(errors - 1, requests, share)


def fisher(errors: int, requests: int, others: int, of: int) -> float:
    """Fisher's exact test, one-sided: the chance of at least this many errors if both had the same share.

    Args:
        errors: of the one that may be worse.
        requests: that it got.
        others: errors of the other.
        of: requests that the other got.
    """
    both = errors + others
    ways = sum(math.comb(requests, each) * math.comb(of, both - each) for each in range(errors, both + 1))
    return ways / math.comb(requests + of, both)


def p95(values: Sequence[float]) -> float:
    """The value that 95 of 100 do not exceed."""
    return sorted(values)[math.ceil(len(values) * 0.95) - 1]


def p95_ratio(one: Sequence[float], other: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """A bootstrap interval of the ratio of two 95th percentiles, for values measured in pairs.

    Pairs are drawn whole: what slowed both of a pair down at one moment does not count against either.
    """
    pairs = np.array([one, other])
    size = pairs.shape[1]
    drawn = np.random.default_rng(0).integers(0, size, (_RESAMPLES, size))
    rank = math.ceil(size * 0.95) - 1
    tails = np.partition(pairs[:, drawn], rank, axis=2)[:, :, rank]
    low, high = np.quantile(tails[0] / tails[1], [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def shift(reference: Sequence[float], found: Sequence[float]) -> float:
    """The population stability index of two samples of numbers: 0 the same, from 0.25 on another distribution.

    The bins are tenths of the reference; half a value is put into each, so that an empty one stays finite.
    """
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, _BINS + 1)[1:-1]))
    shares = []
    for values in (reference, found):
        counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1) + 0.5
        shares.append(counts / counts.sum())
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


def _at_most(errors: int, requests: int, share: float) -> float:
    """The chance of at most this many errors."""
    logs = (
        math.lgamma(requests + 1) - math.lgamma(each + 1) - math.lgamma(requests - each + 1)
        + each * math.log(share) + (requests - each) * math.log1p(-share)
        for each in range(errors + 1)
    )  # fmt: skip
    return math.fsum(math.exp(log) for log in logs)


def _root(falling: Callable[[float], float]) -> float:
    """Where a falling function of a share is zero."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2
