"""Explained variance of predicted numbers."""

import numpy as np
from sklearn.metrics import r2_score

from workers.metrics.weighted import ratio, sums

_ROUNDING = 1e-12  # a spread of this share of the squares is what is left of equal numbers


def r2(truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """1 - squared errors / squared distances from the mean: [N, D] both -> float64 [D]; with weights [B, N] [B, D].

    The mean is the resample's own. NaN for a number that is the same in every item of the resample (scikit-learn
    says 0 or 1 there). ValueError for a value that is not finite.
    """
    if not (np.isfinite(truth).all() and np.isfinite(predicted).all()):
        raise ValueError("a value is not finite")
    if weights is None:
        found = np.full(truth.shape[1], np.nan)
        for column in np.flatnonzero(np.ptp(truth, axis=0)):
            found[column] = r2_score(truth[:, column], predicted[:, column])
        return found
    centred = truth.astype(np.float64) - truth.mean(axis=0, dtype=np.float64)  # keeps the squares' difference exact
    count = weights.sum(axis=1, dtype=np.float64)[:, None]
    squares = sums(weights, centred**2)
    spread = squares - ratio(sums(weights, centred) ** 2, count)
    errors = sums(weights, (truth.astype(np.float64) - predicted) ** 2)
    return 1 - ratio(errors, np.where(spread > _ROUNDING * squares, spread, 0))
