"""Sums under bootstrap weights, some resamples at a time: memory stays bounded however many items there are."""

from collections.abc import Iterator

import numpy as np

_CELLS = 1_000_000  # resamples x items at a time: 8 MB an array


def slices(weights: np.ndarray) -> Iterator[slice]:
    """Cuts the rows of weights [B, N] into runs that are small enough to work on at once."""
    step = max(1, _CELLS // max(1, weights.shape[1]))
    return (slice(start, start + step) for start in range(0, len(weights), step))


def sums(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Weights [B, N] and values [N, K] -> float64 [B, K]: each resample's total. ValueError where N differs."""
    found = np.empty((len(weights), values.shape[1]))
    columns = values.astype(np.float64)
    for rows in slices(weights):
        found[rows] = weights[rows].astype(np.float64) @ columns
    return found


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, and NaN where `whole` is 0: a figure over nothing is undefined."""
    whole = np.broadcast_to(whole, np.shape(part))
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole != 0)[()]
