"""Leave-last-out recommendation, against cases counted by hand and ranks from sorting."""

import numpy as np
import pytest

from workers.metrics.neighbours import unit_rows
from workers.metrics.recommend import leave_last_out, ndcg, recall, target_ranks


def to_dict(histories):
    return {
        int(user): (histories.items[first:last].tolist(), int(target))
        for user, target, first, last in zip(
            histories.users, histories.targets, histories.starts[:-1], histories.starts[1:], strict=True
        )
    }


def test_the_last_distinct_track_is_the_target():
    users = np.array([3, 1, 3, 2, 3, 1, 3, 2])
    items = np.array([5, 0, 6, 4, 5, 7, 8, 4])
    # 3 played 5, 6, 5, 8; 1 played 0, 7; 2 played nothing but 4.
    assert to_dict(leave_last_out(users, items)) == {1: ([0], 7), 3: ([6, 5], 8)}


def test_a_track_played_again_at_the_end_is_not_in_its_own_history():
    assert to_dict(leave_last_out(np.zeros(3, int), np.array([4, 2, 4]))) == {0: ([2], 4)}


def test_no_users():
    histories = leave_last_out(np.array([], np.int64), np.array([], np.int64))
    assert len(histories.users) == 0
    assert list(histories.blocks(10)) == []


def test_ranks_by_hand():
    angles = np.deg2rad([0, 10, 30, 60, 90])
    rows = unit_rows(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    histories = leave_last_out(np.array([0, 0, 1, 1, 1]), np.array([0, 2, 0, 1, 4]))
    # User 0 played 0 degrees: 10 is nearer than the target, 30. User 1 played 0 and 10: 30 and 60 before 90.
    np.testing.assert_array_equal(target_ranks(rows, histories), [2, 3])
    np.testing.assert_array_equal(recall(np.array([2.0, 3.0]), 2), [1, 0])
    np.testing.assert_allclose(ndcg(np.array([1.0, 3.0, 11.0])), [1, 0.5, 0])


def test_blocks_and_sorting_agree():
    rng = np.random.default_rng(0)
    rows = unit_rows(rng.standard_normal((80, 6)))
    histories = leave_last_out(np.repeat(np.arange(30), 5), rng.integers(0, 80, 150))
    ranks = target_ranks(rows, histories)
    np.testing.assert_array_equal(ranks, np.concatenate([target_ranks(rows, block) for block in histories.blocks(7)]))
    for index, (items, target) in enumerate(to_dict(histories).values()):
        scores = rows[items].mean(axis=0) @ rows.T
        candidates = [row for row in range(80) if row not in items]
        assert sorted(candidates, key=lambda row: -scores[row]).index(target) + 1 == ranks[index]


def test_a_model_with_equal_vectors_ranks_at_chance():
    rows = unit_rows(np.ones((101, 4)))
    histories = leave_last_out(np.zeros(2, int), np.array([0, 100]))
    assert target_ranks(rows, histories)[0] == pytest.approx(50.5)  # 100 candidates share the first 100 places
