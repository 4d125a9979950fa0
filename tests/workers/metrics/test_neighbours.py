"""Neighbour lists and their statistics, against cases counted by hand and a plain double loop."""

import numpy as np
import pytest
import scipy.stats

from workers.metrics.neighbours import (
    find_nearest,
    near_identical,
    occurrences,
    overlap,
    rate_changes,
    same_group_recall,
    skewness,
    unit_rows,
)

# Five directions in a plane, by angle in degrees: 0 and 1 are near each other, 90 and 93 too, 200 is alone.
ANGLES = np.deg2rad([0, 1, 90, 93, 200])
PLANE = unit_rows(np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1))
ALL = np.arange(5)


def test_the_nearest_of_five_directions():
    result = find_nearest(PLANE, ALL, ALL, 2)
    np.testing.assert_array_equal(result.lists, [[1, 2], [0, 2], [3, 1], [2, 1], [3, 2]])
    np.testing.assert_allclose(result.twin_cosines[:2], np.cos(np.deg2rad(1)), rtol=1e-6)


def test_blocks_and_a_double_loop_agree():
    rows = unit_rows(np.random.default_rng(0).standard_normal((60, 8)))
    whole = find_nearest(rows, np.arange(60), np.arange(60), 10)
    parts = [find_nearest(rows, np.arange(60), block, 10) for block in np.array_split(np.arange(60), 7)]
    np.testing.assert_array_equal(whole.lists, np.concatenate([part.lists for part in parts]))
    for query in range(60):
        others = sorted((row for row in range(60) if row != query), key=lambda row: -float(rows[query] @ rows[row]))
        assert whole.lists[query].tolist() == others[:10]


def test_fewer_rows_than_k():
    assert find_nearest(PLANE, ALL, ALL, 10).lists.shape == (5, 4)
    assert find_nearest(PLANE[:1], ALL[:1], ALL[:1], 10).lists.shape == (1, 0)


def test_overlap_counts_shared_entries_in_any_order():
    a, b = np.array([[1, 2, 3, 4], [1, 2, 3, 4]]), np.array([[4, 3, 9, 8], [5, 6, 7, 8]])
    np.testing.assert_array_equal(overlap(a, b), [0.5, 0.0])


def test_same_group_recall_by_hand():
    lists, groups = np.array([[1, 2], [0, 3], [3, 4], [2, 0]]), np.array([0, 0, 0, 1, -1])
    result = same_group_recall(lists, np.array([0, 1, 3, 4]), groups)
    np.testing.assert_array_equal(result, [1.0, 0.5, np.nan, np.nan])  # 3 is alone in its group, 4 has none


def test_equal_content_is_no_twin_and_a_vector_without_direction_is_one():
    rows = unit_rows(np.array([[1, 0], [1, 0], [0, 1], [0, 0], [np.nan, 1]], np.float32))
    copies = find_nearest(rows, np.array([7, 7, 8, 9, 10]), ALL, 2)
    assert near_identical(copies.twin_cosines[:3], 0.9999) == 0
    assert near_identical(copies.twin_cosines, 0.9999) == pytest.approx(2 / 5)
    assert near_identical(find_nearest(rows, ALL, ALL, 2).twin_cosines, 0.9999) == pytest.approx(4 / 5)


def test_a_collapsed_model_has_only_twins():
    rows = unit_rows(np.ones((20, 4)) + 1e-4 * np.random.default_rng(0).standard_normal((20, 4)))
    assert near_identical(find_nearest(rows, np.arange(20), np.arange(20), 10).twin_cosines, 0.9999) == 1


def test_tag_rates():
    before, after = np.array([[1, 0], [1, 0]], bool), np.array([[1, 1], [0, 0]], bool)
    np.testing.assert_array_equal(rate_changes(before, after), [-0.5, 0.5])


def test_occurrences_count_the_lists_of_each_row():
    np.testing.assert_array_equal(occurrences(np.array([[1, 2], [0, 2], [1, 2]]), 5), [1, 2, 3, 0, 0])


def test_skewness_is_scipys_and_0_for_equal_values():
    values = np.random.default_rng(0).poisson(3, 500)
    assert skewness(values) == pytest.approx(scipy.stats.skew(values))
    assert skewness(np.full(9, 4)) == skewness(np.zeros(0)) == 0
