"""Accuracy of tempi.

Source: Gouyon et al., "An experimental comparison of audio tempo induction algorithms", 2006: Accuracy 1 and 2.
"""

from collections.abc import Sequence

import numpy as np

TOLERANCE = 0.04
OCTAVES = (1 / 3, 1 / 2, 1, 2, 3)  # factors that Accuracy 2 allows


def tempo_accuracy(truth: np.ndarray, tempi: np.ndarray, factors: Sequence[float] = (1,)) -> np.ndarray:
    """Return whether each tempo [N] is right, bool [N].

    It is right within 4 % of the true tempo [N] times one of the `factors`: 1 alone for Accuracy 1, OCTAVES for
    Accuracy 2. NaN is wrong. Both are in beats per minute. Raises ValueError if a true tempo is not positive.
    """
    if not (truth > 0).all():
        raise ValueError("a true tempo is not positive")
    accepted = np.outer(truth, factors)
    errors = np.abs(tempi[:, None] - accepted)
    # Rounding must not decide about a tempo at the limit, such as 104 for 100.
    return (errors <= TOLERANCE * accepted * (1 + 1e-9)).any(axis=1)
