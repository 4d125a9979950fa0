"""Shares, diversity and what must not be named, on made-up scores."""

import numpy as np
import pytest

from workers.metrics.neighbours import unit_rows
from workers.recommend.rerank import candidates, recommended

RANDOM = np.random.default_rng(0)
ROWS = unit_rows(RANDOM.standard_normal((400, 8)))
CENTROIDS = unit_rows(RANDOM.standard_normal((3, 8)))
SCORES = CENTROIDS @ ROWS.T
WEIGHTS = np.array([0.5, 0.3, 0.2])


def test_every_beginning_of_the_list_has_the_shares():
    found = recommended(SCORES, ROWS, WEIGHTS, 100)
    for length in range(1, 101):
        counts = np.bincount(found.interests[:length], minlength=3)
        assert (np.abs(counts - WEIGHTS * length) < 1).all()
    assert len(set(found.rows.tolist())) == 100
    np.testing.assert_allclose(found.scores, SCORES[found.interests, found.rows])
    for one in range(3):
        assert (np.diff(found.scores[found.interests == one]) <= 0).all()


def test_one_interest_without_diversity_is_the_nearest():
    found = recommended(SCORES[:1], ROWS, np.ones(1), 30)
    np.testing.assert_array_equal(found.rows, np.argsort(-SCORES[0])[:30])


def test_barred_tracks_are_never_named_and_what_is_left_is_given():
    scores = SCORES.copy()
    scores[:, 7:] = -np.inf
    scores[1] = -np.inf
    found = recommended(scores, ROWS, WEIGHTS, 20)
    assert sorted(found.rows) == list(range(7))
    assert 1 not in found.interests
    assert len(recommended(np.full((2, 9), -np.inf), ROWS[:9], np.ones(2) / 2, 5).rows) == 0


def mmr(scores, rows, k, diversity):
    """As Carbonell and Goldstein wrote it, one interest."""
    chosen = []
    while len(chosen) < k:
        left = [row for row in np.argsort(-scores)[: candidates(k)] if row not in chosen]
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
    found = recommended(SCORES[:1], ROWS, np.ones(1), 15, diversity)
    assert found.rows.tolist() == mmr(SCORES[0], ROWS, 15, diversity)


def test_diversity_brings_tracks_apart():
    def likeness(diversity):
        rows = ROWS[recommended(SCORES, ROWS, WEIGHTS, 20, diversity).rows]
        return (rows @ rows.T)[~np.eye(20, dtype=bool)].mean()

    assert likeness(0.0) > likeness(0.3) > likeness(0.8)
