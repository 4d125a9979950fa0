"""How far probabilities are from the frequencies they promise: expected calibration error, reliability curves.

Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Reliability:
    """Per bin [bins]: the mean probability, how often it came true (NaN where empty), and how many decisions."""

    confidence: np.ndarray
    frequency: np.ndarray
    count: np.ndarray


def expected_calibration_error(truth: np.ndarray, probability: np.ndarray, bins: int = 15) -> float:
    """Of many labels: truth bool [N, C], probability [N, C]; all N x C decisions are pooled.

    The mean over decisions of |frequency - mean probability| of their bin, from 0 to 1.
    """
    curve = reliability(truth.ravel(), probability.ravel(), bins)
    gaps = np.abs(curve.frequency - curve.confidence)
    return float(np.nansum(gaps * curve.count) / curve.count.sum())


def top_label_calibration_error(truth: np.ndarray, probability: np.ndarray, bins: int = 15) -> float:
    """Of one class an item: truth int [N], probability [N, C]; the likeliest class alone is judged, as Guo et al. do.

    The first of equally likely classes is taken.
    """
    right = probability.argmax(axis=1) == truth
    return expected_calibration_error(right, probability.max(axis=1), bins)


def reliability(truth_flat: np.ndarray, probability_flat: np.ndarray, bins: int = 15) -> Reliability:
    """Truth bool [M] and probability [M], in bins of equal width.

    A bin holds its upper edge and not its lower one, but the first holds 0. ValueError for a probability outside
    0 to 1, or where there is none.
    """
    probability = probability_flat.astype(np.float64)
    if not len(probability) or not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("not probabilities: at least one is needed, each from 0 to 1")
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    place = np.searchsorted(edges, probability, side="left")
    count = np.bincount(place, minlength=bins)
    filled = np.where(count > 0, count, np.nan)
    confidence, frequency = (np.bincount(place, column, bins) / filled for column in (probability, truth_flat))
    return Reliability(confidence, frequency, count)
