"""The bootstrap: weights that stand for resampled items, intervals, and the paired difference of two versions.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993: percentile intervals.
"""

from dataclasses import dataclass

import numpy as np

METRIC_VERSION = 1  # of workers.metrics and workers.evaluation; raised when a change in them moves a number


@dataclass(frozen=True, slots=True)
class Difference:
    """b - a over the resamples: its mean, its interval, and in what share of them b is the larger number."""

    mean: float
    low: float
    high: float
    better: float


def resamples(n: int, count: int = 1000, seed: int = 0) -> np.ndarray:
    """Weights [count, n] float32: how often each of n items is drawn in n draws with replacement. Rows sum to n.

    The same seed gives the same weights. ValueError where there is no item.
    """
    if n < 1:
        raise ValueError("no items to draw from")
    random = np.random.default_rng(seed)
    weights = np.empty((count, n), np.float32)  # 1000 x 35,000 are 140 MB
    for row in weights:
        row[:] = np.bincount(random.integers(n, size=n), minlength=n)
    return weights


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The percentiles that hold `level` of a metric's values [B] between them; NaN where every value is NaN."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def difference(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> Difference:
    """Two versions' values [B] of one metric under the same weights, row for row: only then are they paired.

    A resample in which either is NaN does not count; equal is not better. ValueError where the shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"not the same resamples: {a.shape} and {b.shape}")
    gain = b - a
    gain = gain[~np.isnan(gain)]
    if not len(gain):
        return Difference(*[float("nan")] * 4)
    return Difference(float(gain.mean()), *interval(gain, level), float((gain > 0).mean()))
