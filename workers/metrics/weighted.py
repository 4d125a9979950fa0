"""Sums under bootstrap weights, a bounded number of resamples at a time."""

from collections.abc import Iterator

import numpy as np

_CELLS = 1_000_000  # resamples x items at a time: 8 MB for each array


def row_slices(weights: np.ndarray) -> Iterator[slice]:
    """Yield slices of the rows of weights [B, N], small enough to process at once."""
    step = max(1, _CELLS // max(1, weights.shape[1]))
    return (slice(start, start + step) for start in range(0, len(weights), step))


def weighted_sums(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return each resample's sums of values [N, K] under weights [B, N], float64 [B, K].

    Raises ValueError if N differs.
    """
    totals = np.empty((len(weights), values.shape[1]))
    columns = values.astype(np.float64)
    for rows in row_slices(weights):
        totals[rows] = weights[rows].astype(np.float64) @ columns
    return totals


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, NaN where `whole` is 0."""
    whole = np.broadcast_to(whole, np.shape(part))
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole != 0)[()]
