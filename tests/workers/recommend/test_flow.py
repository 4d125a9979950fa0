"""The order in which neighbours sound alike: against every order, its costs, and that nothing is random."""

from itertools import permutations

import numpy as np
import pytest

from workers.metrics.neighbours import unit_rows
from workers.recommend.flow import KEY, SAME_ARTIST, TEMPO, order_for_flow, transition_costs


def random_costs(count, seed=0):
    vectors = unit_rows(np.random.default_rng(seed).standard_normal((count, 6)))
    return transition_costs(vectors, np.full(count, -1), [None] * count, [None] * count)


def length(order, costs):
    return costs[order[:-1], order[1:]].sum()


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_near_the_best_of_all(seed):
    costs = random_costs(8, seed)
    orders = [np.array((0, *rest)) for rest in permutations(range(1, 8))]
    lengths = sorted(length(order, costs) for order in orders)
    order = order_for_flow(costs)
    assert order[0] == 0
    assert sorted(order) == list(range(8))
    assert lengths[0] - 1e-9 <= length(order, costs) <= lengths[len(lengths) // 20]


def test_no_reversed_stretch_is_shorter():
    costs = random_costs(40)
    order = order_for_flow(costs)
    for start in range(1, 39):
        for stop in range(start + 1, 40):
            other = np.concatenate([order[:start], order[start : stop + 1][::-1], order[stop + 1 :]])
            assert length(other, costs) >= length(order, costs) - 1e-9


def test_a_line_of_tracks_is_walked_from_its_first():
    angles = np.array([0, 50, 10, 40, 20, 30]) / 60
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    costs = transition_costs(vectors, np.full(6, -1), [None] * 6, [None] * 6)
    assert order_for_flow(costs).tolist() == [0, 2, 4, 5, 3, 1]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_few_tracks_have_one_order(count):
    assert order_for_flow(random_costs(count)).tolist() == list(range(count))


def test_artist_tempo_and_key_cost_where_they_are_known():
    vectors = np.ones((4, 1), np.float32)
    artists = np.array([3, 3, -1, -1])
    costs = transition_costs(vectors, artists, [60, 120, 90, None], ["8A", "9A", "8B", "2A"])
    octaves = np.log2(1.5)
    assert costs[0, 1] == pytest.approx(SAME_ARTIST)
    assert costs[0, 2] == pytest.approx(TEMPO * (1 - octaves))  # three halves and four thirds are as near to an octave
    assert costs[1, 2] == pytest.approx(TEMPO * np.log2(4 / 3) + KEY)
    assert costs[2, 3] == pytest.approx(KEY)
    assert costs[0, 3] == pytest.approx(KEY)
    np.testing.assert_allclose(costs, costs.T)


def test_keys_mix_around_the_end_of_the_wheel():
    costs = transition_costs(np.ones((3, 1), np.float32), np.full(3, -1), [None] * 3, ["12A", "1A", None])
    assert np.abs(costs).max() == pytest.approx(0, abs=1e-6)
