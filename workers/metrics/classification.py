"""Accuracy and macro F1 of multiclass predictions."""

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from workers.metrics.tagging import macro
from workers.metrics.weighted import ratio, weighted_sums


def accuracy(truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None) -> float | np.ndarray:
    """Return the fraction of items [N] whose class is predicted.

    With weights [B, N] the result is float64 [B].
    """
    if weights is None:
        return float(accuracy_score(truth, predicted))
    return ratio(weighted_sums(weights, (truth == predicted)[:, None])[:, 0], weights.sum(axis=1, dtype=np.float64))


def macro_f1(
    truth: np.ndarray, predicted: np.ndarray, classes: int, weights: np.ndarray | None = None
) -> float | np.ndarray:
    """Return the mean F1 of the classes that some item [N] has.

    Classes are numbered from 0 to `classes` - 1. With weights [B, N] the result is float64 [B]. A class that no item
    of the resample has is left out, even if it is predicted (scikit-learn's default counts it as 0). A class that is
    never predicted counts 0.
    """
    if weights is None:
        return float(f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0))
    is_class, is_predicted = (column[:, None] == np.arange(classes) for column in (truth, predicted))
    flags = (is_class & is_predicted, is_class, is_predicted)
    right, actual, guessed = (weighted_sums(weights, matrix) for matrix in flags)
    f1 = ratio(2 * right, actual + guessed)
    return macro(np.where(actual > 0, f1, np.nan))
