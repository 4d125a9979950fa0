"""Expected calibration error and reliability curves: predicted probabilities against observed frequencies.

Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Reliability:
    """Statistics of each bin [bins]: mean probability, observed frequency, number of decisions.

    The first two are NaN for an empty bin.
    """

    confidence: np.ndarray
    frequency: np.ndarray
    count: np.ndarray


def expected_calibration_error(truth: np.ndarray, probability: np.ndarray, bins: int = 15) -> float:
    """Return the calibration error of multilabel predictions, from 0 to 1.

    `truth` bool [N, C] and `probability` [N, C]: all N x C decisions are pooled. The error is the mean over decisions
    of |frequency - mean probability| of their bin.
    """
    curve = reliability(truth.ravel(), probability.ravel(), bins)
    gaps = np.abs(curve.frequency - curve.confidence)
    return float(np.nansum(gaps * curve.count) / curve.count.sum())


def top_label_calibration_error(truth: np.ndarray, probability: np.ndarray, bins: int = 15) -> float:
    """Return the calibration error of multiclass predictions, from 0 to 1.

    `truth` int [N] is the class of each item, `probability` [N, C]. Only the likeliest class of an item counts, the
    first of equally likely ones, as in Guo et al.
    """
    right = probability.argmax(axis=1) == truth
    return expected_calibration_error(right, probability.max(axis=1), bins)


def reliability(truth_flat: np.ndarray, probability_flat: np.ndarray, bins: int = 15) -> Reliability:
    """Return the reliability curve over bins of equal width.

    `truth_flat` bool [M], `probability_flat` [M]. A bin contains its upper edge and not its lower one; the first also
    contains 0. Raises ValueError if a probability is not from 0 to 1, or if there is none.
    """
    probability = probability_flat.astype(np.float64)
    if not len(probability) or not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("not probabilities: at least one is needed, each from 0 to 1")
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    bin_indices = np.searchsorted(edges, probability, side="left")
    count = np.bincount(bin_indices, minlength=bins)
    filled = np.where(count > 0, count, np.nan)
    confidence, frequency = (np.bincount(bin_indices, values, bins) / filled for values in (probability, truth_flat))
    return Reliability(confidence, frequency, count)
