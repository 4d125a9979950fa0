"""Platt's curve: against probabilities that are known, and against Platt's own targets."""

import numpy as np
import pytest
from scipy.optimize import minimize

from workers.evaluation.platt import calibrated


def drawn(slope, intercept, count=20_000, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.normal(0.5, 0.1, count)
    return scores, rng.random(count) < 1 / (1 + np.exp(-(slope * scores + intercept)))


def test_the_curve_that_made_the_labels_is_found_again():
    found = calibrated(*drawn(20.0, -11.0))
    assert found is not None
    assert (found.slope, found.intercept) == (pytest.approx(20, rel=0.08), pytest.approx(-11, rel=0.08))


def test_it_is_the_maximum_of_platts_likelihood():
    scores, truth = drawn(12.0, -7.0, count=60)
    positives, negatives = truth.sum(), (~truth).sum()
    target = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(curve):
        value = curve[0] * scores + curve[1]
        return np.sum(np.logaddexp(0, value) - target * value)

    best = minimize(loss, [1.0, 0.0], method="BFGS").x
    found = calibrated(scores, truth)
    assert found is not None
    np.testing.assert_allclose([found.slope, found.intercept], best, rtol=1e-2)


def test_the_threshold_is_where_f1_is_best():
    scores, truth = drawn(25.0, -14.0, count=400)
    found = calibrated(scores, truth)
    assert found is not None
    probability = found.probability(scores)

    def f1(threshold):
        said = probability >= threshold
        return 2 * (said & truth).sum() / (said.sum() + truth.sum())

    assert f1(found.threshold) == pytest.approx(max(f1(threshold) for threshold in probability))


@pytest.mark.parametrize("truth", [np.ones(10, bool), np.zeros(10, bool), np.arange(10) < 5])
def test_a_tag_that_cannot_be_told_has_no_probability(truth):
    assert calibrated(np.arange(10.0), truth) is None  # all, none, and the wrong way round
