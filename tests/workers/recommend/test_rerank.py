"""Quotas, diversity and excluded tracks, on synthetic scores."""

import numpy as np
import pytest

from workers.metrics.neighbours import unit_rows
from workers.recommend.rerank import GroupLimit, pool_size, rerank

RANDOM = np.random.default_rng(0)
ROWS = unit_rows(RANDOM.standard_normal((400, 8)))
CENTROIDS = unit_rows(RANDOM.standard_normal((3, 8)))
SCORES = CENTROIDS @ ROWS.T
WEIGHTS = np.array([0.5, 0.3, 0.2])


def test_every_prefix_of_the_list_keeps_the_quotas():
    ranked = rerank(SCORES, ROWS, WEIGHTS, 100)
    for length in range(1, 101):
        counts = np.bincount(ranked.interests[:length], minlength=3)
        assert (np.abs(counts - WEIGHTS * length) < 1).all()
    assert len(set(ranked.rows.tolist())) == 100
    np.testing.assert_allclose(ranked.scores, SCORES[ranked.interests, ranked.rows])
    for interest in range(3):
        assert (np.diff(ranked.scores[ranked.interests == interest]) <= 0).all()


def test_one_interest_without_diversity_is_the_nearest():
    ranked = rerank(SCORES[:1], ROWS, np.ones(1), 30)
    np.testing.assert_array_equal(ranked.rows, np.argsort(-SCORES[0])[:30])


def test_excluded_tracks_are_never_chosen_and_the_rest_is_returned():
    scores = SCORES.copy()
    scores[:, 7:] = -np.inf
    scores[1] = -np.inf
    ranked = rerank(scores, ROWS, WEIGHTS, 20)
    assert sorted(ranked.rows) == list(range(7))
    assert 1 not in ranked.interests
    assert len(rerank(np.full((2, 9), -np.inf), ROWS[:9], np.ones(2) / 2, 5).rows) == 0


def rank_by_mmr(scores, rows, k, diversity):
    """Rank by the formula of Carbonell and Goldstein, for one interest."""
    chosen = []
    while len(chosen) < k:
        left = [row for row in np.argsort(-scores)[: pool_size(k)] if row not in chosen]
        chosen.append(
            max(
                left,
                key=lambda row: (
                    (1 - diversity) * scores[row]
                    - diversity * max((rows[row] @ rows[other] for other in chosen), default=0)
                ),
            )
        )
    return chosen


@pytest.mark.parametrize("diversity", [0.1, 0.5, 0.9])
def test_maximal_marginal_relevance(diversity):
    ranked = rerank(SCORES[:1], ROWS, np.ones(1), 15, diversity)
    assert ranked.rows.tolist() == rank_by_mmr(SCORES[0], ROWS, 15, diversity)


def test_diversity_makes_tracks_less_similar():
    def similarity(diversity):
        rows = ROWS[rerank(SCORES, ROWS, WEIGHTS, 20, diversity).rows]
        return (rows @ rows.T)[~np.eye(20, dtype=bool)].mean()

    assert similarity(0.0) > similarity(0.3) > similarity(0.8)


@pytest.mark.parametrize("diversity", [0.0, 0.4, 1.0])
def test_a_limit_of_a_group_holds_and_the_best_of_each_group_stay(diversity):
    groups = np.arange(400) % 7 - 1  # -1: without a group
    ranked = rerank(SCORES[:1], ROWS, np.ones(1), 60, diversity, GroupLimit(groups, 2))
    chosen = groups[ranked.rows]
    assert np.bincount(chosen[chosen >= 0]).tolist() == [2] * 6
    assert (chosen == -1).sum() == 48
    if not diversity:
        for group in range(6):
            members = np.flatnonzero(groups == group)
            assert ranked.rows[chosen == group].tolist() == members[np.argsort(-SCORES[0, members])[:2]].tolist()


def test_a_limit_that_leaves_too_few_is_a_shorter_list_from_all_candidates():
    groups = np.zeros(400, int)
    groups[np.argsort(-SCORES[0])[-3:]] = (1, 2, 3)  # beyond the pool of a list without a limit
    assert sorted(groups[rerank(SCORES[:1], ROWS, np.ones(1), 9, 0.0, GroupLimit(groups, 1)).rows]) == [0, 1, 2, 3]
