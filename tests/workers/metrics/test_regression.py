"""R²: by hand, and against scikit-learn and torchmetrics."""

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score
from torchmetrics.functional.regression import r2_score as torch_r2

from workers.metrics.bootstrap import resamples
from workers.metrics.regression import r2


def draw(seed, offset=0.0):
    random = np.random.default_rng(seed)
    truth = random.normal(size=(150, 3)) + offset
    return truth, truth + random.normal(size=(150, 3)) * [0.1, 1, 3]


def test_by_hand():
    truth = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    predicted = np.array([[1.0, 2.0], [2.0, 2.0], [2.0, 2.0]])  # the second always predicts the mean
    np.testing.assert_allclose(r2(truth, predicted), [1 - 1 / 2, 0])
    np.testing.assert_allclose(r2(truth, predicted, np.array([[1, 0, 1]])), [[1 - 1 / 2, 0]])


def test_equals_torchmetrics():
    truth, predicted = draw(1)
    expected = torch_r2(torch.from_numpy(predicted), torch.from_numpy(truth), multioutput="raw_values")
    np.testing.assert_allclose(r2(truth, predicted), expected, atol=1e-9)


@pytest.mark.parametrize("offset", [0, 1e4])
def test_weights_equal_sklearns_even_far_from_zero(offset):
    truth, predicted = draw(2, offset)
    weights = resamples(len(truth), 10)
    expected = [r2_score(truth, predicted, sample_weight=row, multioutput="raw_values") for row in weights]
    np.testing.assert_allclose(r2(truth, predicted, weights), expected, rtol=0, atol=1e-10)


def test_float32_is_computed_in_float64():
    truth, predicted = (column.astype(np.float32) for column in draw(3))
    wide = truth.astype(np.float64), predicted.astype(np.float64)
    np.testing.assert_allclose(r2(truth, predicted), r2(*wide), rtol=0, atol=1e-5)
    np.testing.assert_allclose(r2(truth, predicted, np.ones((1, 150)))[0], r2(*wide), rtol=0, atol=1e-12)


def test_a_constant_number_is_undefined():
    truth = np.array([[0.1, 1.0], [0.1, 2.0], [0.1, 3.1]])
    predicted = np.array([[0.1, 1.0], [0.1, 2.0], [0.1, 3.0]])
    weights = np.array([[1, 1, 1], [3, 0, 0], [0, 0, 3]])
    assert np.isnan(r2(truth, predicted)).tolist() == [True, False]
    assert np.isnan(r2(truth, predicted, weights)).tolist() == [[True, False], [True, True], [True, True]]


@pytest.mark.parametrize("weights", [None, np.ones((1, 2))])
def test_a_value_that_is_not_finite_is_rejected(weights):
    with pytest.raises(ValueError, match="finite"):
        r2(np.array([[1.0], [2.0]]), np.array([[1.0], [np.nan]]), weights)
