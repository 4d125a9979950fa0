"""Ranks and figures of retrieval: by hand, against scipy, scikit-learn and torchmetrics, with and without ties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata
from sklearn.metrics import ndcg_score
from torchmetrics.functional.retrieval import (
    retrieval_average_precision,
    retrieval_hit_rate,
    retrieval_normalized_dcg,
    retrieval_recall,
)

from workers.metrics.retrieval import (
    average_precision_at,
    first_rank,
    hit_at,
    mean_of,
    median_of,
    ndcg_at,
    recall_at,
    relevant_ranks,
)

QUERIES, ITEMS = 40, 60


def draw(seed, levels=None, fraction=0.1):
    """Draw positive scores without ties (torchmetrics takes no relevant item of score 0), or of few levels."""
    random = np.random.default_rng(seed)
    scores = random.integers(1, levels + 1, (QUERIES, ITEMS)) * 1.0 if levels else random.random((QUERIES, ITEMS))
    relevant = random.random((QUERIES, ITEMS)) < fraction
    relevant[:, 0] = True
    return scores, relevant


def per_query(metric, scores, relevant, **options):
    return [
        metric(torch.from_numpy(row), torch.from_numpy(wanted), **options).item()
        for row, wanted in zip(scores, relevant, strict=True)
    ]


def test_ranks_by_hand():
    scores = np.array([[0.9, 0.5, 0.5, 0.1], [0.1, 0.2, 0.3, 0.4], [1.0, 1.0, 1.0, 1.0], [0.4, 0.3, 0.2, 0.1]])
    relevant = np.array([[1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]], bool)
    ranks = relevant_ranks(scores, relevant)
    assert [row.tolist() for row in ranks] == [[1, 2.5], [3, 4], [2.5, 2.5], []]
    np.testing.assert_array_equal(first_rank(ranks), [1, 3, 2.5, np.nan])


@pytest.mark.parametrize("levels", [None, 5])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_ranks_equal_scipys(levels, kind):
    scores, relevant = draw(1, levels)
    scores = scores.astype(kind)
    expected = rankdata(-scores, axis=1)
    for row, rank, wanted in zip(relevant_ranks(scores, relevant), expected, relevant, strict=True):
        np.testing.assert_array_equal(row, np.sort(rank[wanted]))


def test_figures_by_hand():
    ranks = [np.array(row, float) for row in ([1], [4], [11], [1, 12], [2, 3], [1.5, 1.5], [])]
    np.testing.assert_array_equal(recall_at(ranks, 10), [1, 1, 0, 0.5, 1, 1, np.nan])
    np.testing.assert_array_equal(hit_at(ranks, 10), [1, 1, 0, 1, 1, 1, np.nan])
    np.testing.assert_array_equal(recall_at(ranks, 1), [1, 0, 0, 0.5, 0, 0, np.nan])
    np.testing.assert_array_equal(hit_at(ranks, 1), [1, 0, 0, 1, 0, 0, np.nan])
    expected = [1, 1 / 4, 0, 1 / 2, (1 / 2 + 2 / 3) / 2, 1, np.nan]
    np.testing.assert_allclose(average_precision_at(ranks, 10), expected)


def test_two_relevant_items_and_a_cut_at_one_give_a_half():
    """ranx and ir_measures agree; torchmetrics divides by the items within the cut and returns 1."""
    scores, relevant = np.array([[0.9, 0.8, 0.7]]), np.array([[True, True, False]])
    assert average_precision_at(relevant_ranks(scores, relevant), 1) == [0.5]
    assert per_query(retrieval_average_precision, scores, relevant, top_k=1) == [1]


def test_precision_of_ties():
    # one item above three tied ones, of which two are relevant: rank 3 both, positions 1.5
    ranks = relevant_ranks(np.array([[0.9, 0.5, 0.5, 0.5]]), np.array([[0, 1, 1, 0]], bool))
    np.testing.assert_allclose(average_precision_at(ranks), [1.5 / 3])
    for items, expected in ((1, 1), (10, 1), (19, 1), (20, 0)):
        tied = relevant_ranks(np.ones((1, items)), np.ones((1, items), bool))
        assert average_precision_at(tied, 10) == [expected]


@pytest.mark.parametrize("k", [1, 5, 10, ITEMS])
def test_recall_and_hits_equal_torchmetrics(k):
    scores, relevant = draw(2)
    ranks = relevant_ranks(scores, relevant)
    expected = per_query(retrieval_recall, scores, relevant, top_k=k)
    np.testing.assert_allclose(recall_at(ranks, k), expected, atol=1e-6)
    np.testing.assert_array_equal(hit_at(ranks, k), per_query(retrieval_hit_rate, scores, relevant, top_k=k))


@pytest.mark.parametrize("k", [1, 5, 10, ITEMS])
def test_average_precision_equals_torchmetrics_over_all_relevant(k):
    scores, relevant = draw(3)
    ranks = relevant_ranks(scores, relevant)
    expected = np.array(per_query(retrieval_average_precision, scores, relevant, top_k=k))
    np.testing.assert_allclose(average_precision_at(ranks, k), expected * recall_at(ranks, k), atol=1e-6)


@pytest.mark.parametrize("k", [1, 5, 10, ITEMS])
@pytest.mark.parametrize("levels", [None, 4, 1])
def test_ndcg_equals_sklearns(k, levels):
    scores, relevant = draw(4, levels)
    expected = [ndcg_score([wanted], [row], k=k) for row, wanted in zip(scores, relevant, strict=True)]
    np.testing.assert_allclose(ndcg_at(scores, relevant, k), expected, rtol=0, atol=1e-12)


def test_ndcg_equals_torchmetrics():
    scores, relevant = draw(5)
    expected = per_query(retrieval_normalized_dcg, scores, relevant.astype(int), top_k=10)
    np.testing.assert_allclose(ndcg_at(scores, relevant, 10), expected, atol=1e-6)


def test_ndcg_by_hand():
    scores = np.array([[0.9, 0.5, 0.1], [0.9, 0.5, 0.1], [0.5, 0.5, 0.5], [0.9, 0.5, 0.1]])
    relevant = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]], bool)
    expected = [1, 1 / np.log2(3), (1 + 1 / np.log2(3) + 1 / 2) / 3, np.nan]
    np.testing.assert_allclose(ndcg_at(scores, relevant), expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_score_that_is_not_finite_is_rejected(bad):
    scores, relevant = np.array([[0.1, bad]]), np.array([[True, False]])
    for figure in (relevant_ranks, ndcg_at):
        with pytest.raises(ValueError, match="finite"):
            figure(scores, relevant)


def test_means_and_medians_ignore_what_is_undefined():
    values = np.array([1.0, np.nan, 2.0, 4.0, 8.0])
    weights = np.array([[1, 1, 1, 1, 1], [0, 5, 2, 0, 1], [0, 5, 0, 0, 0], [0, 0, 1, 1, 0], [1, 0, 1, 1, 3]])
    assert mean_of(values) == 3.75
    assert median_of(values) == 3
    np.testing.assert_array_equal(mean_of(values, weights), [3.75, 4, np.nan, 3, 31 / 6])
    np.testing.assert_array_equal(median_of(values, weights), [3, 2, np.nan, 3, 6])


def test_without_queries_means_are_undefined():
    nothing = np.full(3, np.nan)
    for figure in (mean_of, median_of):
        assert np.isnan(figure(nothing))
        assert np.isnan(figure(nothing, np.ones((2, 3)))).tolist() == [True, True]


def test_blocks_of_queries_give_the_same_values():
    scores, relevant = draw(6, levels=20)
    halves = [(scores[part], relevant[part]) for part in (slice(0, 17), slice(17, None))]
    np.testing.assert_array_equal(ndcg_at(scores, relevant), np.concatenate([ndcg_at(*half) for half in halves]))
    whole = average_precision_at(relevant_ranks(scores, relevant))
    expected = [average_precision_at(relevant_ranks(*half)) for half in halves]
    np.testing.assert_array_equal(whole, np.concatenate(expected))


few_levels = arrays(np.float32, st.tuples(st.just(1), st.integers(1, 25)), elements=st.sampled_from([-1, 0, 0.5, 2]))


@settings(max_examples=80, deadline=None)
@given(few_levels, st.randoms(use_true_random=False), st.integers(1, 30))
def test_figures_stay_within_bounds_and_ignore_the_order_of_items(scores, random, k):
    relevant = np.array([[random.random() < 0.4 for _ in scores[0]]])
    relevant[0, 0] = True
    order = random.sample(range(scores.shape[1]), scores.shape[1])
    ranks, moved = relevant_ranks(scores, relevant), relevant_ranks(scores[:, order], relevant[:, order])
    np.testing.assert_array_equal(ranks[0], moved[0])
    gain = ndcg_at(scores, relevant, k)
    np.testing.assert_array_equal(gain, ndcg_at(scores[:, order], relevant[:, order], k))
    precision, recall, hit = (figure(ranks, k)[0] for figure in (average_precision_at, recall_at, hit_at))
    assert 0 <= precision <= recall + 1e-12 <= hit + 2e-12
    assert -1e-12 <= gain[0] <= 1 + 1e-12
