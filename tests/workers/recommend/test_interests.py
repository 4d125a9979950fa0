"""Interests of a made-up listener: the number, the shares, and that nothing is left to chance."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import silhouette_score

from workers.metrics.neighbours import unit_rows
from workers.recommend.interests import RECENT, interests, listened, silhouette


def tastes(counts, dim=32, spread=0.1, seed=0):
    """Unit rows around as many random directions, and which each is of."""
    random = np.random.default_rng(seed)
    centres = unit_rows(random.standard_normal((len(counts), dim)))
    which = np.repeat(np.arange(len(counts)), counts)
    return unit_rows(centres[which] + spread * random.standard_normal((len(which), dim))), which


@pytest.mark.parametrize("counts", [(12, 6), (10, 9, 8, 4, 3), (30, 3, 3)])
def test_as_many_interests_as_there_are_tastes(counts):
    rows, which = tastes(counts)
    found = interests(rows, np.ones(len(rows), int))
    np.testing.assert_allclose(found.weights, sorted(np.array(counts) / sum(counts), reverse=True))
    pairs = set(zip(which.tolist(), found.labels.tolist(), strict=True))
    assert len(pairs) == len(counts)
    np.testing.assert_allclose(np.linalg.norm(found.centroids, axis=1), 1, atol=1e-6)


def test_plays_weigh():
    rows, _ = tastes((4, 12))
    plays = np.array([9] * 4 + [1] * 12)
    found = interests(rows, plays)
    np.testing.assert_allclose(found.weights, [0.75, 0.25])
    assert found.labels.tolist() == [0] * 4 + [1] * 12
    mean = (rows[4:] * plays[4:, None]).sum(axis=0)
    np.testing.assert_allclose(found.centroids[1], mean / np.linalg.norm(mean), atol=1e-6)


def test_the_order_of_the_tracks_does_not_matter():
    rows, _ = tastes((7, 5, 3))
    turned = np.random.default_rng(1).permutation(len(rows))
    one, other = interests(rows, np.ones(15, int)), interests(rows[turned], np.ones(15, int))
    np.testing.assert_allclose(one.centroids, other.centroids, atol=1e-6)
    np.testing.assert_array_equal(one.labels[turned], other.labels)


@pytest.mark.parametrize("tracks", [1, 2, 3, 12])
@pytest.mark.parametrize("number", [None, 1, 2, 50])
def test_a_given_number_is_kept_as_far_as_there_are_tracks(tracks, number):
    rows = unit_rows(np.random.default_rng(0).standard_normal((tracks, 8)))
    found = interests(rows, np.ones(tracks, int), number)
    if number is not None:
        assert len(found.weights) == min(number, tracks)
    assert found.weights.sum() == pytest.approx(1)
    assert set(found.labels) == set(range(len(found.weights)))


def test_tracks_that_are_all_alike_are_one_interest():
    assert len(interests(unit_rows(np.ones((9, 4))), np.ones(9, int)).weights) == 1


def test_what_was_played_last():
    items, plays = listened(np.array([4, 7, 4, 9, 7, 7]))
    assert items.tolist() == [4, 9, 7]
    assert plays.tolist() == [2, 1, 3]
    items, plays = listened(np.concatenate([np.zeros(5, int), np.arange(1, RECENT + 1)]))
    assert len(items) == RECENT
    assert items[0] == 1


@pytest.mark.parametrize("clusters", [2, 5, 30])
def test_the_silhouette_equals_scikit_learns(clusters):
    random = np.random.default_rng(clusters)
    square = squareform(pdist(random.standard_normal((40, 3))))
    labels = np.unique(random.integers(0, clusters, 40), return_inverse=True)[1]
    expected = silhouette_score(square, labels, metric="precomputed")
    assert silhouette(square, labels) == pytest.approx(expected)


def test_a_listener_of_everything_is_not_the_mean_of_everything():
    rows, _ = tastes([4] * 60, seed=3)
    found = interests(rows, np.ones(len(rows), int))
    assert len(found.weights) >= 5
    near = (found.centroids @ rows.T).max(axis=0)
    assert near.mean() > 2 * (interests(rows, np.ones(len(rows), int), 1).centroids @ rows.T).mean()
