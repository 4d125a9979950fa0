"""Interests of a synthetic listener: their number, their weights, and that they are deterministic."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import silhouette_score

from workers.metrics.neighbours import unit_rows
from workers.recommend.interests import MAX_HISTORY, distinct_plays, find_interests, silhouette


def make_tastes(counts, dim=32, spread=0.1, seed=0):
    """Make unit rows around a random direction for each taste; return them with the taste of each."""
    random = np.random.default_rng(seed)
    centres = unit_rows(random.standard_normal((len(counts), dim)))
    tastes = np.repeat(np.arange(len(counts)), counts)
    return unit_rows(centres[tastes] + spread * random.standard_normal((len(tastes), dim))), tastes


@pytest.mark.parametrize("counts", [(12, 6), (10, 9, 8, 4, 3), (30, 3, 3)])
def test_as_many_interests_as_there_are_tastes(counts):
    rows, tastes = make_tastes(counts)
    interests = find_interests(rows, np.ones(len(rows), int))
    np.testing.assert_allclose(interests.weights, sorted(np.array(counts) / sum(counts), reverse=True))
    pairs = set(zip(tastes.tolist(), interests.labels.tolist(), strict=True))
    assert len(pairs) == len(counts)
    np.testing.assert_allclose(np.linalg.norm(interests.centroids, axis=1), 1, atol=1e-6)


def test_plays_are_weights():
    rows, _ = make_tastes((4, 12))
    plays = np.array([9] * 4 + [1] * 12)
    interests = find_interests(rows, plays)
    np.testing.assert_allclose(interests.weights, [0.75, 0.25])
    assert interests.labels.tolist() == [0] * 4 + [1] * 12
    mean = (rows[4:] * plays[4:, None]).sum(axis=0)
    np.testing.assert_allclose(interests.centroids[1], mean / np.linalg.norm(mean), atol=1e-6)


def test_the_order_of_the_tracks_does_not_matter():
    rows, _ = make_tastes((7, 5, 3))
    turned = np.random.default_rng(1).permutation(len(rows))
    first, other = find_interests(rows, np.ones(15, int)), find_interests(rows[turned], np.ones(15, int))
    np.testing.assert_allclose(first.centroids, other.centroids, atol=1e-6)
    np.testing.assert_array_equal(first.labels[turned], other.labels)


@pytest.mark.parametrize("tracks", [1, 2, 3, 12])
@pytest.mark.parametrize("number", [None, 1, 2, 50])
def test_a_given_number_is_limited_by_the_tracks(tracks, number):
    rows = unit_rows(np.random.default_rng(0).standard_normal((tracks, 8)))
    interests = find_interests(rows, np.ones(tracks, int), number)
    if number is not None:
        assert len(interests.weights) == min(number, tracks)
    assert interests.weights.sum() == pytest.approx(1)
    assert set(interests.labels) == set(range(len(interests.weights)))


def test_equal_tracks_are_one_interest():
    assert len(find_interests(unit_rows(np.ones((9, 4))), np.ones(9, int)).weights) == 1


def test_distinct_plays_keep_what_was_played_last():
    items, plays = distinct_plays(np.array([4, 7, 4, 9, 7, 7]))
    assert items.tolist() == [4, 9, 7]
    assert plays.tolist() == [2, 1, 3]
    items, plays = distinct_plays(np.concatenate([np.zeros(5, int), np.arange(1, MAX_HISTORY + 1)]))
    assert len(items) == MAX_HISTORY
    assert items[0] == 1


@pytest.mark.parametrize("clusters", [2, 5, 30])
def test_the_silhouette_equals_scikit_learns(clusters):
    random = np.random.default_rng(clusters)
    square = squareform(pdist(random.standard_normal((40, 3))))
    labels = np.unique(random.integers(0, clusters, 40), return_inverse=True)[1]
    expected = silhouette_score(square, labels, metric="precomputed")
    assert silhouette(square, labels) == pytest.approx(expected)


def test_a_listener_with_many_tastes_is_not_reduced_to_their_mean():
    rows, _ = make_tastes([4] * 60, seed=3)
    interests = find_interests(rows, np.ones(len(rows), int))
    assert len(interests.weights) >= 5
    near = (interests.centroids @ rows.T).max(axis=0)
    assert near.mean() > 2 * (find_interests(rows, np.ones(len(rows), int), 1).centroids @ rows.T).mean()
