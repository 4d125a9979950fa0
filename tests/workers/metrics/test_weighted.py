"""The meaning of weights, for every metric that takes them: repeated items, parts of the data, any slicing."""

import numpy as np
import pytest

from workers.metrics import weighted
from workers.metrics.bootstrap import resamples
from workers.metrics.classification import accuracy, macro_f1
from workers.metrics.regression import r2
from workers.metrics.retrieval import mean_of, median_of
from workers.metrics.tagging import pr_auc, roc_auc
from workers.metrics.weighted import ratio, row_slices, weighted_sums

ITEMS, CLASSES = 60, 4


def labels(seed):
    return np.random.default_rng(seed).integers(CLASSES, size=ITEMS)


def numbers(seed, width=CLASSES):
    return np.random.default_rng(seed).normal(size=(ITEMS, width)).round(1)


RANKS = np.where(np.arange(ITEMS) % 7, np.random.default_rng(6).integers(1, 40, ITEMS) / 2, np.nan)

METRICS = {
    "roc_auc": (roc_auc, numbers(1) > 0.5, numbers(2)),
    "pr_auc": (pr_auc, numbers(1) > 0.5, numbers(2)),
    "accuracy": (accuracy, labels(3), labels(4)),
    "macro_f1": (
        lambda truth, predicted, weights=None: macro_f1(truth, predicted, CLASSES, weights),
        labels(3),
        labels(4),
    ),
    "r2": (r2, numbers(1, 2), numbers(1, 2) + numbers(5, 2)),
    "mean_of": (mean_of, RANKS),
    "median_of": (median_of, RANKS),
}


@pytest.fixture(params=METRICS)
def case(request):
    metric, *data = METRICS[request.param]
    return metric, data


def test_ones_change_nothing(case):
    metric, data = case
    result = metric(*data, np.ones((3, ITEMS)))
    assert result.shape == (3, *np.shape(metric(*data)))
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, [metric(*data)] * 3, rtol=0, atol=1e-12)


def test_a_count_is_a_repeated_item(case):
    metric, data = case
    weights = resamples(ITEMS, 20, seed=1)
    repeated = [metric(*(np.repeat(column, row.astype(int), axis=0) for column in data)) for row in weights]
    np.testing.assert_allclose(metric(*data, weights), repeated, rtol=0, atol=1e-12)


def test_weights_can_split_the_data_in_two(case):
    metric, data = case
    halves = np.repeat([[1, 0], [0, 1]], ITEMS // 2, axis=1)
    parts = [metric(*(column[half] for column in data)) for half in (slice(ITEMS // 2), slice(ITEMS // 2, None))]
    np.testing.assert_allclose(metric(*data, halves), parts, rtol=0, atol=1e-12)


def test_the_order_of_items_does_not_count(case):
    metric, data = case
    weights = resamples(ITEMS, 5, seed=2)
    shuffled = np.random.default_rng(2).permutation(ITEMS)
    moved = metric(*(column[shuffled] for column in data), weights[:, shuffled])
    np.testing.assert_allclose(metric(*data, weights), moved, rtol=0, atol=1e-12)


def test_only_proportions_count(case):
    metric, data = case
    weights = resamples(ITEMS, 5, seed=3).astype(np.float64)
    np.testing.assert_allclose(metric(*data, weights), metric(*data, weights / 4), rtol=0, atol=1e-12)


def test_slices_of_any_size_give_the_same(case, monkeypatch):
    metric, data = case
    weights = resamples(ITEMS, 11, seed=4)
    at_once = metric(*data, weights)
    for cells in (1, 3 * ITEMS, 11 * ITEMS):
        monkeypatch.setattr(weighted, "_CELLS", cells)
        np.testing.assert_allclose(metric(*data, weights), at_once, rtol=0, atol=1e-12)


def test_an_empty_resample_is_undefined(case):
    metric, data = case
    result = metric(*data, np.stack([np.ones(ITEMS), np.zeros(ITEMS)]))
    assert np.isfinite(result[0]).all()
    assert np.isnan(result[1]).all()


def test_slices_cover_every_row_once_and_stay_small(monkeypatch):
    monkeypatch.setattr(weighted, "_CELLS", 35)
    rows = np.arange(7)
    parts = [rows[part] for part in row_slices(np.ones((7, 10)))]
    np.testing.assert_array_equal(np.concatenate(parts), rows)
    assert [len(part) for part in parts] == [3, 3, 1]


def test_sums_are_exact_in_float32_weights():
    weights = np.full((1, 3), 0.1, np.float32)
    values = np.array([[1e8, 1], [1, 1], [-1e8, 1]])
    np.testing.assert_allclose(weighted_sums(weights, values), [[np.float32(0.1), np.float32(0.1) * 3.0]], rtol=1e-7)


def test_ratio_over_nothing_is_nan():
    np.testing.assert_array_equal(ratio(np.array([1.0, 0.0]), np.array([2, 0])), [0.5, np.nan])
