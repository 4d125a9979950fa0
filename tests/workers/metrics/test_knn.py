"""Search in blocks finds the same neighbours as a search at once."""

import numpy as np
import pytest

from workers.metrics.knn import TopK, search_block, update_top_k
from workers.metrics.neighbours import find_nearest, unit_rows


def search_in_blocks(rows, size, k):
    blocks = []
    for query_start in range(0, len(rows), size):
        best = TopK.empty(len(rows[query_start : query_start + size]), k)
        for first in range(0, len(rows), size):
            best = search_block(
                best, rows[query_start : query_start + size], query_start, rows[first : first + size], first
            )
        blocks.append(best)
    return np.concatenate([best.rows for best in blocks]), np.concatenate([best.scores for best in blocks])


@pytest.mark.parametrize("size", [1, 7, 50, 120, 500])
@pytest.mark.parametrize("k", [1, 10, 119])
def test_any_block_size_gives_the_same_neighbours(size, k):
    rows = unit_rows(np.random.default_rng(0).standard_normal((120, 16)))
    lists, scores = search_in_blocks(rows, size, k)
    np.testing.assert_array_equal(lists, find_nearest(rows, np.arange(120), np.arange(120), k).lists)
    np.testing.assert_allclose(scores, np.take_along_axis(rows @ rows.T, lists, axis=1), atol=1e-6)


def test_ties_go_to_the_lower_row_across_blocks():
    rows = np.tile(np.eye(4, dtype=np.float32), (5, 1))  # five copies of each direction, cosines 0 and 1
    for size in (2, 3, 20):
        lists, _ = search_in_blocks(rows, size, 6)
        assert lists[0].tolist() == [4, 8, 12, 16, 1, 2]
        assert lists[9].tolist() == [1, 5, 13, 17, 0, 2]


def test_excluded_candidates_never_appear():
    best = update_top_k(TopK.empty(1, 3), np.array([[-np.inf, 0.5, -np.inf]], np.float32), 0)
    assert (best.rows.tolist(), best.scores[0, 0]) == ([[1, -1, -1]], 0.5)
    best = update_top_k(best, np.zeros((1, 0), np.float32), 3)
    assert best.rows.tolist() == [[1, -1, -1]]
