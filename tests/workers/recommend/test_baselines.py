"""Playlist tasks, popularity and continuation methods, against plain loops."""

import numpy as np
import pytest

from workers.metrics.continuation import LIST_LENGTH
from workers.metrics.neighbours import unit_rows
from workers.recommend.baselines import (
    continue_by_interests,
    continue_by_mean,
    continue_by_popularity,
    continue_by_query,
)
from workers.recommend.continuation_tasks import CATEGORIES, Playlists, make_tasks

RANDOM = np.random.default_rng(0)
SIZE = 900
ROWS = unit_rows(RANDOM.standard_normal((SIZE, 16)))
LISTS = [RANDOM.permutation(SIZE)[: RANDOM.integers(0, 160)] for _ in range(60)]


@pytest.fixture(scope="module")
def playlists():
    owners = np.repeat(np.arange(len(LISTS)), [len(tracks) for tracks in LISTS])
    return Playlists.from_tracks([f"title {number}" for number in range(60)], owners, np.concatenate(LISTS))


def test_unknown_and_repeated_tracks_are_left_out():
    playlists = Playlists.from_tracks(["a", "b", "c"], np.array([2, 0, 2, 0, 2, 2]), np.array([7, 5, -1, 5, 8, 7]))
    assert [playlists.tracks(number).tolist() for number in range(3)] == [[5], [], [7, 8]]
    assert (playlists.listed, playlists.matched) == (6, 5)
    twice = Playlists.concatenate([playlists, playlists])
    assert twice.titles == ("a", "b", "c") * 2
    assert [twice.tracks(number).tolist() for number in (0, 3, 5)] == [[5], [5], [7, 8]]


def test_evaluated_playlists_are_not_counted(playlists):
    evaluated, training = playlists.split(8, seed=1)
    assert len(evaluated) == 8
    assert sorted([*evaluated, *training]) == list(range(60))
    assert all(len(playlists.tracks(number)) > 1 for number in evaluated)
    counts = playlists.popularity(training, SIZE)
    plain = np.zeros(SIZE, int)
    for number in training:
        for track in LISTS[number]:
            plain[track] += 1
    np.testing.assert_array_equal(counts, plain)
    assert playlists.split(8, seed=1)[0].tolist() == evaluated.tolist()
    assert playlists.split(8, seed=2)[0].tolist() != evaluated.tolist()
    assert len(playlists.split(1000, seed=1)[0]) == np.sum(playlists.lengths > 1) // 5


@pytest.mark.parametrize("category", CATEGORIES)
def test_seeds_and_withheld_tracks_make_up_the_playlist(playlists, category):
    count, is_random = CATEGORIES[category]
    tasks = make_tasks(playlists, np.arange(60), category, seed=0)
    assert len(tasks) == np.sum(playlists.lengths > count)
    firsts = 0
    for task in tasks:
        whole = playlists.tracks(task.playlist)
        assert len(task.seeds) == count
        assert sorted([*task.seeds, *task.withheld]) == sorted(whole)
        firsts += np.array_equal(task.seeds, whole[:count])
    assert firsts == 0 if is_random else firsts == len(tasks)
    fewer = make_tasks(playlists, np.arange(59), category, seed=0)
    assert all(np.array_equal(task.seeds, other.seeds) for task, other in zip(fewer, tasks, strict=False))


def test_a_playlist_without_a_title_has_no_title_task():
    playlists = Playlists.from_tracks(["", " ", "jazz"], np.repeat(np.arange(3), 2), np.arange(6))
    assert [task.playlist for task in make_tasks(playlists, np.arange(3), "title", 0)] == [2]


def rank_plainly(scores, seeds):
    return [track for track in np.argsort(-scores, kind="stable").tolist() if track not in seeds][:LIST_LENGTH]


def test_lists_are_those_of_a_plain_loop(playlists):
    tasks = make_tasks(playlists, np.arange(30), "first 10", 0)
    counts = playlists.popularity(np.arange(30, 60), SIZE)
    popular, mean = continue_by_popularity(counts, tasks), continue_by_mean(ROWS, tasks)
    assert popular.shape == mean.shape == (len(tasks), LIST_LENGTH)
    for index, task in enumerate(tasks):
        seeds = set(task.seeds.tolist())
        assert popular[index].tolist() == rank_plainly(counts, seeds)
        assert mean[index].tolist() == rank_plainly(ROWS @ ROWS[task.seeds].mean(axis=0), seeds)


def test_one_interest_is_the_mean_vector(playlists):
    tasks = make_tasks(playlists, np.arange(30), "first 5", 0)
    np.testing.assert_array_equal(continue_by_interests(ROWS, tasks, 1), continue_by_mean(ROWS, tasks))


def test_blocks_give_the_same_lists(playlists):
    tasks = make_tasks(playlists, np.arange(30), "first 25", 0)
    whole = continue_by_interests(ROWS, tasks)
    halves = [continue_by_interests(ROWS, part) for part in (tasks[:9], tasks[9:])]
    np.testing.assert_array_equal(whole, np.concatenate(halves))
    for row, task in zip(whole, tasks, strict=True):
        assert len(set(row.tolist())) == LIST_LENGTH
        assert not set(row.tolist()) & set(task.seeds.tolist())


def test_a_short_list_is_padded():
    playlists = Playlists.from_tracks(["a"], np.zeros(6, int), np.arange(6))
    tasks = make_tasks(playlists, np.array([0]), "first 5", 0)
    rows = ROWS[:8]
    for lists in (
        continue_by_mean(rows, tasks),
        continue_by_popularity(np.ones(8), tasks),
        continue_by_interests(rows, tasks),
    ):
        assert sorted(lists[0, :3]) == [5, 6, 7]
        assert (lists[0, 3:] == -1).all()
    assert continue_by_query(rows, rows[6:7], tasks)[0, 0] == 6
