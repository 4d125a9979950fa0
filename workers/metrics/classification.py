"""Accuracy and macro F1 of one class an item."""

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from workers.metrics.tagging import macro
from workers.metrics.weighted import ratio, sums


def accuracy(truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None) -> float | np.ndarray:
    """Share of the items [N] whose class is the predicted one; with weights [B, N] float64 [B]."""
    if weights is None:
        return float(accuracy_score(truth, predicted))
    return ratio(sums(weights, (truth == predicted)[:, None])[:, 0], weights.sum(axis=1, dtype=np.float64))


def macro_f1(
    truth: np.ndarray, predicted: np.ndarray, classes: int, weights: np.ndarray | None = None
) -> float | np.ndarray:
    """Mean F1 of the classes 0 to `classes` - 1 that some item [N] has; with weights [B, N] float64 [B].

    A class that no item has, in that resample, is left out, even where it is predicted (scikit-learn's default counts
    it as 0); one that is never predicted counts 0.
    """
    if weights is None:
        return float(f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0))
    has, said = (column[:, None] == np.arange(classes) for column in (truth, predicted))
    right, having, saying = (sums(weights, flags) for flags in (has & said, has, said))
    each = ratio(2 * right, having + saying)
    return macro(np.where(having > 0, each, np.nan))
