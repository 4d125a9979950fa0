"""Accuracy and macro F1: by hand, and against torchmetrics and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

from workers.metrics.bootstrap import resamples
from workers.metrics.classification import accuracy, macro_f1

TRUTH = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 3, 0])
F1 = (4 / 6 + 2 / 4 + 0) / 3  # of classes 0, 1 and 2; class 3 is predicted and no item has it


def test_by_hand():
    assert accuracy(TRUTH, PREDICTED) == pytest.approx(3 / 6)
    assert macro_f1(TRUTH, PREDICTED, 4) == pytest.approx(F1)


def test_a_class_without_an_item_does_not_count():
    assert macro_f1(TRUTH, PREDICTED, 9) == pytest.approx(F1)
    assert macro_f1(TRUTH, PREDICTED, 9, np.ones((1, 6))) == pytest.approx([F1])
    assert f1_score(TRUTH, PREDICTED, average="macro") == pytest.approx(F1 * 3 / 4)  # where scikit-learn counts it


def test_a_class_can_be_missing_in_one_resample():
    weights = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]])
    np.testing.assert_allclose(macro_f1(TRUTH, PREDICTED, 4, weights), [F1, (4 / 5 + 2 / 4) / 2])


@pytest.mark.parametrize("seed", range(5))
def test_equal_torchmetrics(seed):
    truth, predicted = np.random.default_rng(seed).integers(6, size=(2, 200))
    predicted = np.where(np.arange(200) % 3, truth, predicted)
    pair = torch.from_numpy(predicted), torch.from_numpy(truth)
    assert accuracy(truth, predicted) == pytest.approx(multiclass_accuracy(*pair, 6, average="micro").item(), abs=1e-6)
    assert macro_f1(truth, predicted, 6) == pytest.approx(multiclass_f1_score(*pair, 6).item(), abs=1e-6)


def test_weights_equal_sklearns():
    truth, predicted = np.random.default_rng(0).integers(6, size=(2, 200))
    weights = resamples(200, 10)
    expected = [f1_score(truth, predicted, sample_weight=row, average="macro") for row in weights]
    np.testing.assert_allclose(macro_f1(truth, predicted, 6, weights), expected, rtol=0, atol=1e-12)


def test_no_items_are_rejected():
    with pytest.raises(ValueError, match="sample"):
        accuracy(np.array([], int), np.array([], int))
