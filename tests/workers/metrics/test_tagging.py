"""Areas per tag: by hand, against torchmetrics, scipy and scikit-learn, and for any scores."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, roc_auc_score
from torchmetrics.functional.classification import multilabel_auroc, multilabel_average_precision

from workers.metrics.bootstrap import resamples
from workers.metrics.tagging import macro, pr_auc, roc_auc, undefined_classes

AREAS = {"roc_auc": roc_auc, "pr_auc": pr_auc}
REFERENCES = {"roc_auc": roc_auc_score, "pr_auc": average_precision_score}


def column(*values):
    return np.array(values)[:, None]


def draw(seed, items=300, classes=7, levels=None):
    """Draw truth and correlated scores; with `levels` only so many different scores, hence ties."""
    random = np.random.default_rng(seed)
    truth = random.random((items, classes)) < np.linspace(0.02, 0.9, classes)
    truth[0], truth[1] = True, False
    scores = 1 / (1 + np.exp(-random.normal(size=truth.shape) - truth))
    return truth, (np.floor(scores * levels) / levels if levels else scores)


@pytest.mark.parametrize(
    ("truth", "scores", "roc", "precision"),
    [
        ([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1], 1, 1),
        ([0, 0, 1, 1], [0.9, 0.8, 0.2, 0.1], 0, (1 / 3 + 2 / 4) / 2),
        ([1, 0, 1, 0], [0.9, 0.8, 0.2, 0.1], 3 / 4, (1 + 2 / 3) / 2),
        ([1, 0, 0, 1], [0.5, 0.5, 0.5, 0.5], 1 / 2, 2 / 4),  # one step for all: the share of positives
        ([1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1], 7 / 8, (1 + 2 / 3) / 2),  # one of four pairs is tied
    ],
)
@pytest.mark.parametrize("weights", [None, np.ones((1, 4))])
def test_by_hand(truth, scores, roc, precision, weights):
    truth, scores = column(*truth) > 0, column(*scores)
    assert np.ravel(roc_auc(truth, scores, weights)) == pytest.approx([roc], abs=1e-15)
    assert np.ravel(pr_auc(truth, scores, weights)) == pytest.approx([precision], abs=1e-15)


@pytest.mark.parametrize("levels", [None, 4])
def test_equals_torchmetrics(levels):
    truth, scores = draw(1, levels=levels)
    arguments = torch.from_numpy(scores), torch.from_numpy(truth.astype(int)), truth.shape[1]
    expected = multilabel_auroc(*arguments, average="none")
    np.testing.assert_allclose(roc_auc(truth, scores), expected, atol=1e-6)
    expected = multilabel_average_precision(*arguments, average="none")
    np.testing.assert_allclose(pr_auc(truth, scores), expected, atol=1e-6)


@pytest.mark.parametrize("levels", [None, 4])
def test_roc_auc_is_the_rank_sum(levels):
    truth, scores = draw(2, levels=levels)
    positives, negatives = truth.sum(axis=0), (~truth).sum(axis=0)
    ranks = np.where(truth, rankdata(scores, axis=0), 0).sum(axis=0)
    expected = (ranks - positives * (positives + 1) / 2) / (positives * negatives)
    np.testing.assert_allclose(roc_auc(truth, scores), expected, atol=1e-12)


@pytest.mark.parametrize("name", AREAS)
@pytest.mark.parametrize("levels", [None, 3])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_weights_equal_sklearns(name, levels, kind):
    truth, scores = draw(3, levels=levels)
    whole = resamples(len(truth), 6, seed=3)
    fractional = np.random.default_rng(3).random((2, len(truth))).astype(kind)
    for weights in (whole, fractional):
        areas = AREAS[name](truth, scores.astype(kind), weights)
        expected = [
            [
                REFERENCES[name](truth[:, c], scores[:, c].astype(kind), sample_weight=row)
                for c in range(truth.shape[1])
            ]
            for row in weights.astype(np.float64)
        ]
        np.testing.assert_allclose(areas, expected, rtol=0, atol=1e-12)


@pytest.mark.filterwarnings("error")  # undefined classes are reported, so scikit-learn must not warn
def test_a_class_of_one_kind_is_undefined_and_reported():
    truth = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 1]], bool)
    scores = np.array([[0.9, 0.1, 0.3], [0.5, 0.2, 0.2], [0.4, 0.3, 0.1]])
    roc, precision = roc_auc(truth, scores), pr_auc(truth, scores)
    np.testing.assert_array_equal(roc, [0.5, np.nan, np.nan])
    np.testing.assert_allclose(precision, [(1 + 2 / 3) / 2, np.nan, 1])
    assert undefined_classes(roc, ["rock", "none", "all"]) == ("none", "all")
    assert undefined_classes(precision, ["rock", "none", "all"]) == ("none",)
    assert macro(roc) == 0.5
    assert macro(precision) == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)


def test_a_class_may_be_undefined_in_one_resample_only():
    truth, scores = column(True, False, False), column(0.3, 0.2, 0.1)
    weights = np.array([[1, 1, 1], [0, 2, 1], [3, 0, 0]])
    np.testing.assert_array_equal(roc_auc(truth, scores, weights), column(1, np.nan, np.nan))
    np.testing.assert_array_equal(pr_auc(truth, scores, weights), column(1, np.nan, 1))


def test_weight_zero_means_absent_with_fractional_weights_too():
    """If no negative is drawn, their total is exactly 0, without rounding errors."""
    truth, scores = column(True, True, True, False), column(0.1, 0.2, 0.3, 0.4)
    assert np.isnan(roc_auc(truth, scores, np.array([[0.1, 0.7, 0.3, 0.0]]))).all()


def test_macro_keeps_the_leading_axes():
    per_class = np.array([[0.5, 1.0, np.nan], [np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(macro(per_class), [0.75, np.nan])
    assert macro(np.stack([per_class, per_class])).shape == (2, 2)


@pytest.mark.parametrize("area", AREAS.values())
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("weights", [None, np.ones((1, 3))])
def test_a_score_that_is_not_finite_is_rejected(area, bad, weights):
    with pytest.raises(ValueError, match=r"finite|NaN|infinity"):
        area(column(True, False, True), column(0.1, bad, 0.2), weights)


@pytest.mark.parametrize("area", AREAS.values())
def test_weights_of_other_items_are_rejected(area):
    with pytest.raises(ValueError, match="mismatch"):
        area(*draw(4, items=10), np.ones((2, 11)))


scored = arrays(np.int8, st.tuples(st.integers(2, 30), st.just(1)), elements=st.integers(-4, 4))


@settings(max_examples=60, deadline=None)
@given(scored, st.randoms(use_true_random=False))
def test_only_the_order_of_scores_counts(scores, random):
    truth = np.array([[random.random() < 0.5] for _ in scores])
    stretched = np.exp(scores.astype(float)) * 3 - 7
    for area in AREAS.values():
        np.testing.assert_array_equal(area(truth, scores.astype(float)), area(truth, stretched))


@settings(max_examples=60, deadline=None)
@given(scored, st.randoms(use_true_random=False))
def test_negating_scores_or_truth_mirrors_roc_auc(scores, random):
    truth = np.array([[random.random() < 0.5] for _ in scores])
    area = roc_auc(truth, scores.astype(float))
    np.testing.assert_allclose(roc_auc(truth, -scores.astype(float)), 1 - area, atol=1e-12)
    np.testing.assert_allclose(roc_auc(~truth, scores.astype(float)), 1 - area, atol=1e-12)
