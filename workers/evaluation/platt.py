"""Platt scaling: cosines to probabilities, for one tag, learned from clips whose labels are known.

Source: J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999: a logistic curve, fitted to targets that
lie a little inside 0 and 1, the more so the fewer the examples.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve

_UNBOUNDED = 1e6  # inverse regularisation strength of scikit-learn: Platt's method has no regularisation


@dataclass(frozen=True, slots=True)
class Calibration:
    """The curve of one tag, and the probability from which the tag applies.

    probability = 1 / (1 + exp(-(slope * score + intercept))); the tag applies at `threshold` and above.
    """

    slope: float
    intercept: float
    threshold: float

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """Return the probabilities of scores, in the same shape."""
        return 1 / (1 + np.exp(-(self.slope * scores + self.intercept)))


def fit_calibration(scores: np.ndarray, truth: np.ndarray) -> Calibration | None:
    """Fit the curve and the threshold of one tag.

    `scores` [N] are cosines, `truth` bool [N] says which clips have the tag. The threshold is the probability with
    the best F1. Return None if all clips have the tag or none has it, or if clips with the tag do not score higher
    than the others: the encoder cannot detect such a tag.
    """
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives or scores[truth].mean() <= scores[~truth].mean():
        return None
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    centre, spread = scores.mean(), max(float(scores.std()), 1e-9)
    inputs = ((scores - centre) / spread)[:, None]
    # scikit-learn takes no fractional targets: each clip appears once as positive and once as negative, with weights.
    labels = np.concatenate([np.ones(len(scores)), np.zeros(len(scores))])
    curve = LogisticRegression(C=_UNBOUNDED, max_iter=1000)
    curve.fit(np.concatenate([inputs, inputs]), labels, sample_weight=np.concatenate([target, 1 - target]))
    slope = float(curve.coef_[0, 0]) / spread
    fitted = Calibration(slope, float(curve.intercept_[0]) - slope * float(centre), 0.0)
    precision, recall, thresholds = precision_recall_curve(truth, fitted.probability(scores))
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return Calibration(fitted.slope, fitted.intercept, float(thresholds[f1[:-1].argmax()]))
