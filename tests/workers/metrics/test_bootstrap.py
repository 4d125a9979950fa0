"""The bootstrap: its draws, the coverage of its intervals, and the gain of pairing."""

import numpy as np
import pytest

from workers.metrics.bootstrap import Difference, difference, interval, resamples
from workers.metrics.classification import accuracy


def test_equal_seeds_give_equal_weights():
    np.testing.assert_array_equal(resamples(30, 5, seed=1), resamples(30, 5, seed=1))
    assert (resamples(30, 5, seed=1) != resamples(30, 5, seed=2)).any()


def test_more_resamples_begin_with_the_same_ones():
    np.testing.assert_array_equal(resamples(30, 5), resamples(30, 9)[:5])


def test_draws_are_multinomial():
    weights = resamples(50, 4000)
    assert weights.shape == (4000, 50)
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, weights.round())
    np.testing.assert_array_equal(weights.sum(axis=1), np.full(4000, 50))
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.1)
    covariance = np.cov(weights.T)
    assert covariance.diagonal().mean() == pytest.approx(1 - 1 / 50, abs=0.02)
    assert covariance[~np.eye(50, dtype=bool)].mean() == pytest.approx(-1 / 50, abs=0.002)


def test_zero_items_are_rejected():
    with pytest.raises(ValueError, match="no items"):
        resamples(0)


def test_interval_by_hand():
    values = np.arange(101.0)
    assert interval(values) == pytest.approx((2.5, 97.5))
    assert interval(values, 0.5) == pytest.approx((25, 75))
    assert interval(np.append(values, [np.nan] * 50)) == pytest.approx((2.5, 97.5))
    assert np.isnan(interval(np.full(3, np.nan))).all()


def test_the_interval_covers_the_truth_as_often_as_its_level():
    random = np.random.default_rng(0)
    covered = 0
    for seed in range(300):
        right = (random.random(200) < 0.7).astype(int)
        low, high = interval(accuracy(np.ones(200, int), right, resamples(200, 400, seed)))
        covered += low <= 0.7 <= high
    assert 0.90 <= covered / 300 <= 0.99


def test_interval_is_as_wide_as_the_normal_one():
    right = np.arange(1000) % 10 < 7
    low, high = interval(accuracy(np.ones(1000, int), right.astype(int), resamples(1000, 4000)))
    deviation = np.sqrt(0.7 * 0.3 / 1000)
    assert (low, high) == pytest.approx((0.7 - 1.96 * deviation, 0.7 + 1.96 * deviation), abs=0.003)


def test_pairing_is_narrower_on_versions_that_fail_on_the_same_items():
    random = np.random.default_rng(1)
    truth, easy = np.ones(500, int), random.random(500)
    before, after = (easy < 0.70).astype(int), (easy < 0.75).astype(int)
    values = accuracy(truth, before, resamples(500, seed=0))
    paired = difference(values, accuracy(truth, after, resamples(500, seed=0)))
    unpaired = difference(values, accuracy(truth, after, resamples(500, seed=1)))
    assert paired.high - paired.low < (unpaired.high - unpaired.low) / 2
    assert 0 < paired.low < accuracy(truth, after) - accuracy(truth, before) < paired.high
    assert paired.better == 1
    assert unpaired.better < 1


def test_difference_by_hand():
    a, b = np.array([1.0, 2.0, 3.0, np.nan]), np.array([2.0, 2.0, 5.0, 7.0])
    result = difference(a, b, level=0.5)
    assert result == Difference(mean=1, low=0.5, high=1.5, better=2 / 3)
    reverse = difference(b, a, level=0.5)
    assert reverse == Difference(mean=-1, low=-1.5, high=-0.5, better=0)


def test_the_difference_of_a_version_with_itself_is_zero():
    values = np.random.default_rng(2).random(10)
    assert difference(values, values) == Difference(0, 0, 0, 0)


def test_the_difference_of_undefined_values_is_nan():
    result = difference(np.full(3, np.nan), np.ones(3))
    assert np.isnan([result.mean, result.low, result.high, result.better]).all()


def test_different_resamples_are_rejected():
    with pytest.raises(ValueError, match="not the same resamples"):
        difference(np.zeros(1), np.zeros(5))
