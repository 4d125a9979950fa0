"""The coefficient of determination (R²) of predicted numbers."""

import numpy as np
from sklearn.metrics import r2_score

from workers.metrics.weighted import ratio, weighted_sums

_ROUNDING = 1e-12  # a spread below this fraction of the sum of squares is rounding error of equal numbers


def r2(truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return 1 - squared errors / squared distances from the mean, float64 [D].

    `truth` and `predicted` are [N, D]. With weights [B, N] the result is [B, D], each resample with its own mean. NaN
    for a number that is equal in all items of the resample (scikit-learn returns 0 or 1). Raises ValueError if a value
    is not finite.
    """
    if not (np.isfinite(truth).all() and np.isfinite(predicted).all()):
        raise ValueError("a value is not finite")
    if weights is None:
        scores = np.full(truth.shape[1], np.nan)
        for column in np.flatnonzero(np.ptp(truth, axis=0)):
            scores[column] = r2_score(truth[:, column], predicted[:, column])
        return scores
    centred = truth.astype(np.float64) - truth.mean(
        axis=0, dtype=np.float64
    )  # centred, so that the difference of squares stays exact
    count = weights.sum(axis=1, dtype=np.float64)[:, None]
    squares = weighted_sums(weights, centred**2)
    spread = squares - ratio(weighted_sums(weights, centred) ** 2, count)
    errors = weighted_sums(weights, (truth.astype(np.float64) - predicted) ** 2)
    return 1 - ratio(errors, np.where(spread > _ROUNDING * squares, spread, 0))
