"""Paths between two tracks: even points, each with a track of its own, and few of a group."""

import numpy as np
import pytest

from workers.metrics.neighbours import unit_rows
from workers.recommend.path import choose_path, points_between
from workers.recommend.rerank import GroupLimit

RANDOM = np.random.default_rng(1)
START, END = unit_rows(RANDOM.standard_normal((2, 16)))


def no_limit(rows):
    return GroupLimit(np.full(len(rows), -1), 1)


def test_points_are_unit_vectors_in_equal_angles():
    points = np.stack([START, *points_between(START, END, 6), END])
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-6)
    angles = np.arccos(np.sum(points[1:] * points[:-1], axis=1))
    np.testing.assert_allclose(angles, np.arccos(START @ END) / 7, atol=1e-3)


@pytest.mark.parametrize("end", [START, -START])
def test_points_between_equal_and_opposite_vectors_are_finite(end):
    assert np.isfinite(points_between(START, end, 3)).all()
    assert points_between(START, end, 0).shape == (0, 16)


def test_each_point_gets_its_own_track_where_there_is_one():
    points = points_between(START, END, 5)
    rows = unit_rows(np.concatenate([RANDOM.standard_normal((30, 16)), points + 0.01]))
    assert choose_path(START, END, 5, rows, no_limit(rows)).tolist() == [30, 31, 32, 33, 34]


def test_two_points_that_want_one_track_are_shared_out():
    points = points_between(START, END, 2)
    rows = unit_rows(np.stack([points[0] + points[1], points[1] + 2 * END]))
    assert choose_path(START, END, 2, rows, no_limit(rows)).tolist() == [0, 1]


def test_few_tracks_are_of_one_group():
    points = points_between(START, END, 4)
    noise = RANDOM.standard_normal((8, 16))
    rows = unit_rows(np.concatenate([points, np.repeat(points, 2, axis=0) + 0.1 * noise]))
    groups = np.array([7] * 4 + [-1] * 8)
    chosen = choose_path(START, END, 4, rows, GroupLimit(groups, 2))
    assert (groups[chosen] == 7).sum() == 2
    assert len(set(chosen.tolist())) == 4


def test_candidates_that_do_not_suffice_are_all_on_a_shorter_path():
    rows = unit_rows(RANDOM.standard_normal((3, 16)))
    assert sorted(choose_path(START, END, 9, rows, no_limit(rows))) == [0, 1, 2]
    assert len(choose_path(START, END, 9, rows[:0], no_limit(rows[:0]))) == 0
