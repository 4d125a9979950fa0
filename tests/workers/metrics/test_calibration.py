"""Calibration error: by hand, against torchmetrics, and the curve against scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

from workers.metrics.calibration import expected_calibration_error, reliability, top_label_calibration_error


def draw(seed, shape=(400, 5)):
    random = np.random.default_rng(seed)
    probability = random.random(shape)
    return random.random(shape) < probability**2, probability


def test_by_hand():
    probability = np.array([[0.1, 0.3], [0.9, 0.7]])
    truth = np.array([[False, True], [True, True]])
    # two bins: mean .2 and one of two true; mean .8 and both true
    assert expected_calibration_error(truth, probability, bins=2) == pytest.approx((2 * 0.3 + 2 * 0.2) / 4)
    curve = reliability(truth.ravel(), probability.ravel(), bins=2)
    np.testing.assert_allclose(curve.confidence, [0.2, 0.8])
    np.testing.assert_allclose(curve.frequency, [0.5, 1])
    np.testing.assert_array_equal(curve.count, [2, 2])


def test_top_label_by_hand():
    probability = np.array([[0.6, 0.4, 0.0], [0.2, 0.0, 0.8], [0.5, 0.5, 0.0]])
    # right at .6, wrong at .8, and the first of two equals is right: one bin, mean 1.9 / 3, two of three
    assert top_label_calibration_error(np.array([0, 1, 0]), probability, bins=1) == pytest.approx(0.1 / 3)
    assert top_label_calibration_error(np.array([0, 1, 1]), probability, bins=1) == pytest.approx(0.9 / 3)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_labels_equal_torchmetrics(bins):
    truth, probability = draw(1)
    flat = torch.from_numpy(probability.ravel()), torch.from_numpy(truth.ravel().astype(int))
    expected = binary_calibration_error(*flat, n_bins=bins, norm="l1").item()
    assert expected_calibration_error(truth, probability, bins) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_top_label_equals_torchmetrics(bins):
    random = np.random.default_rng(2)
    probability = random.dirichlet(np.ones(6) / 2, size=500)
    truth = random.integers(6, size=500)
    pair = torch.from_numpy(probability), torch.from_numpy(truth)
    expected = multiclass_calibration_error(*pair, num_classes=6, n_bins=bins, norm="l1").item()
    assert top_label_calibration_error(truth, probability, bins) == pytest.approx(expected, abs=1e-6)


def test_curve_equals_sklearns_with_values_on_the_edges():
    random = np.random.default_rng(3)
    probability = random.integers(0, 9, size=500) / 8
    truth = random.random(500) < 0.4
    curve = reliability(truth, probability, bins=4)
    frequency, confidence = calibration_curve(truth, probability, n_bins=4)
    np.testing.assert_allclose(curve.frequency, frequency)
    np.testing.assert_allclose(curve.confidence, confidence)


def test_an_edge_belongs_to_the_bin_below_it():
    curve = reliability(np.ones(5, bool), np.array([0, 0.25, 0.5, 0.75, 1]), bins=4)
    np.testing.assert_array_equal(curve.count, [2, 1, 1, 1])


def test_an_empty_bin_is_nan_and_adds_nothing():
    curve = reliability(np.array([True, False]), np.array([0.05, 0.95]), bins=10)
    assert np.isnan(curve.frequency).tolist() == [False, *[True] * 8, False]
    assert np.isnan(curve.confidence).tolist() == [False, *[True] * 8, False]
    error = expected_calibration_error(np.array([[True], [False]]), np.array([[0.05], [0.95]]), bins=10)
    assert error == pytest.approx(0.95)


def test_two_halves_add_up_to_the_whole_curve():
    truth, probability = (column.ravel() for column in draw(4))
    whole = reliability(truth, probability)
    halves = [reliability(truth[part], probability[part]) for part in (slice(0, 900), slice(900, None))]
    for name in ("confidence", "frequency"):
        added = sum(getattr(half, name) * half.count for half in halves) / whole.count
        np.testing.assert_allclose(added, getattr(whole, name))
    np.testing.assert_array_equal(halves[0].count + halves[1].count, whole.count)


def test_probabilities_that_come_true_are_calibrated():
    random = np.random.default_rng(5)
    probability = random.random((20_000, 2))
    assert expected_calibration_error(random.random(probability.shape) < probability, probability) < 0.01


@pytest.mark.parametrize("bad", [[-0.1], [1.1], [np.nan], []])
def test_values_that_are_no_probabilities_are_rejected(bad):
    with pytest.raises(ValueError, match="not probabilities"):
        reliability(np.ones(len(bad), bool), np.array(bad, float))
