"""Platt scaling, against known probabilities and against the maximum of Platt's likelihood."""

import numpy as np
import pytest
from scipy.optimize import minimize

from workers.evaluation.platt import fit_calibration


def draw_scores(slope, intercept, count=20_000, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.normal(0.5, 0.1, count)
    return scores, rng.random(count) < 1 / (1 + np.exp(-(slope * scores + intercept)))


def test_the_curve_behind_the_labels_is_recovered():
    calibration = fit_calibration(*draw_scores(20.0, -11.0))
    assert calibration is not None
    assert (calibration.slope, calibration.intercept) == (pytest.approx(20, rel=0.08), pytest.approx(-11, rel=0.08))


def test_it_is_the_maximum_of_platts_likelihood():
    scores, truth = draw_scores(12.0, -7.0, count=60)
    positives, negatives = truth.sum(), (~truth).sum()
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(curve):
        value = curve[0] * scores + curve[1]
        return np.sum(np.logaddexp(0, value) - target * value)

    best = minimize(loss, [1.0, 0.0], method="BFGS").x
    calibration = fit_calibration(scores, truth)
    assert calibration is not None
    np.testing.assert_allclose([calibration.slope, calibration.intercept], best, rtol=1e-2)


def test_the_threshold_has_the_best_f1():
    scores, truth = draw_scores(25.0, -14.0, count=400)
    calibration = fit_calibration(scores, truth)
    assert calibration is not None
    probability = calibration.probability(scores)

    def f1(threshold):
        predicted = probability >= threshold
        return 2 * (predicted & truth).sum() / (predicted.sum() + truth.sum())

    assert f1(calibration.threshold) == pytest.approx(max(f1(threshold) for threshold in probability))


@pytest.mark.parametrize("truth", [np.ones(10, bool), np.zeros(10, bool), np.arange(10) < 5])
def test_a_tag_that_cannot_be_detected_has_no_calibration(truth):
    assert fit_calibration(np.arange(10.0), truth) is None  # all, none, and the wrong way round
