"""Block by block the same neighbours as all at once."""

import numpy as np
import pytest

from workers.metrics.knn import Best, merged, nearest_in
from workers.metrics.neighbours import nearest, unit_rows


def in_blocks(rows, size, k):
    found = []
    for own in range(0, len(rows), size):
        best = Best.none(len(rows[own : own + size]), k)
        for first in range(0, len(rows), size):
            best = nearest_in(best, rows[own : own + size], own, rows[first : first + size], first)
        found.append(best)
    return np.concatenate([best.rows for best in found]), np.concatenate([best.scores for best in found])


@pytest.mark.parametrize("size", [1, 7, 50, 120, 500])
@pytest.mark.parametrize("k", [1, 10, 119])
def test_any_blocks_give_what_one_gives(size, k):
    rows = unit_rows(np.random.default_rng(0).standard_normal((120, 16)))
    lists, scores = in_blocks(rows, size, k)
    np.testing.assert_array_equal(lists, nearest(rows, np.arange(120), np.arange(120), k).lists)
    np.testing.assert_allclose(scores, np.take_along_axis(rows @ rows.T, lists, axis=1), atol=1e-6)


def test_ties_go_to_the_lower_row_across_blocks():
    rows = np.tile(np.eye(4, dtype=np.float32), (5, 1))  # five copies of each direction, cosines 0 and 1
    for size in (2, 3, 20):
        lists, _ = in_blocks(rows, size, 6)
        assert lists[0].tolist() == [4, 8, 12, 16, 1, 2]
        assert lists[9].tolist() == [1, 5, 13, 17, 0, 2]


def test_what_is_left_out_never_comes_in():
    best = merged(Best.none(1, 3), np.array([[-np.inf, 0.5, -np.inf]], np.float32), 0)
    assert (best.rows.tolist(), best.scores[0, 0]) == ([[1, -1, -1]], 0.5)
    best = merged(best, np.zeros((1, 0), np.float32), 3)
    assert best.rows.tolist() == [[1, -1, -1]]
