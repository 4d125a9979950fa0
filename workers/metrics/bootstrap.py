"""The bootstrap: weights of resampled items, intervals, and the paired difference of two versions.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993: percentile intervals.
"""

from dataclasses import dataclass

import numpy as np

METRIC_VERSION = 1  # raised when a change in workers.metrics or workers.evaluation changes a number


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference b - a over the resamples: its mean and its interval.

    `better` is the fraction of resamples in which b is larger.
    """

    mean: float
    low: float
    high: float
    better: float


def resamples(n: int, count: int = 1000, seed: int = 0) -> np.ndarray:
    """Return weights [count, n] float32: how often each of n items is drawn.

    Each row counts n draws with replacement and sums to n. Equal seeds give equal weights. Raises ValueError if there
    is no item.
    """
    if n < 1:
        raise ValueError("no items to draw from")
    random = np.random.default_rng(seed)
    weights = np.empty((count, n), np.float32)  # 1000 x 35,000 are 140 MB
    for row in weights:
        row[:] = np.bincount(random.integers(n, size=n), minlength=n)
    return weights


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the percentiles that enclose `level` of a metric's values [B].

    NaN values are ignored; both percentiles are NaN if all values are.
    """
    defined = values[~np.isnan(values)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def difference(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> Difference:
    """Return the paired difference b - a of one metric's values [B].

    Both must be computed from the same weights, row by row. A resample in which either is NaN does not count; an equal
    value is not better. Raises ValueError if the shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"not the same resamples: {a.shape} and {b.shape}")
    gain = b - a
    gain = gain[~np.isnan(gain)]
    if not len(gain):
        return Difference(*[float("nan")] * 4)
    return Difference(float(gain.mean()), *interval(gain, level), float((gain > 0).mean()))
