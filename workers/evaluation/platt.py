"""Cosines to probabilities, one tag at a time, from clips whose labels are known.

Source: J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999: a logistic curve, fitted to targets that
are drawn in from 0 and 1 by as much as so few examples allow.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve

_UNBOUNDED = 1e6  # inverse strength of scikit-learn's regularisation, which is not Platt's


@dataclass(frozen=True, slots=True)
class Calibration:
    """probability = 1 / (1 + exp(-(slope * score + intercept))); a tag is said at `threshold` and above."""

    slope: float
    intercept: float
    threshold: float

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """Scores of any shape -> probabilities of that shape."""
        return 1 / (1 + np.exp(-(self.slope * scores + self.intercept)))


def calibrated(scores: np.ndarray, truth: np.ndarray) -> Calibration | None:
    """Of one tag: scores [N] and whether each clip has it [N]; the threshold is the probability of the best F1.

    None where every clip has the tag or none has, and where clips that have it score no higher than others: such a
    tag cannot be told by this encoder.
    """
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives or scores[truth].mean() <= scores[~truth].mean():
        return None
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    centre, spread = scores.mean(), max(float(scores.std()), 1e-9)
    inputs = ((scores - centre) / spread)[:, None]
    both = np.concatenate([np.ones(len(scores)), np.zeros(len(scores))])
    curve = LogisticRegression(C=_UNBOUNDED, max_iter=1000)
    curve.fit(np.concatenate([inputs, inputs]), both, sample_weight=np.concatenate([target, 1 - target]))
    slope = float(curve.coef_[0, 0]) / spread
    fitted = Calibration(slope, float(curve.intercept_[0]) - slope * float(centre), 0.0)
    precision, recall, thresholds = precision_recall_curve(truth, fitted.probability(scores))
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return Calibration(fitted.slope, fitted.intercept, float(thresholds[f1[:-1].argmax()]))
