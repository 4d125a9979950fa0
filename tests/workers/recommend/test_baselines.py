"""Playlists cut, counted and continued: against plain loops, and nothing of what is judged is counted."""

import numpy as np
import pytest

from workers.metrics.continuation import CANDIDATES
from workers.metrics.neighbours import unit_rows
from workers.recommend.baselines import by_interests, by_mean, by_popularity, by_query
from workers.recommend.continuation_tasks import SEEDS, Playlists, tasks

RANDOM = np.random.default_rng(0)
SIZE = 900
ROWS = unit_rows(RANDOM.standard_normal((SIZE, 16)))
LISTS = [RANDOM.permutation(SIZE)[: RANDOM.integers(0, 160)] for _ in range(60)]


@pytest.fixture(scope="module")
def playlists():
    which = np.repeat(np.arange(len(LISTS)), [len(one) for one in LISTS])
    return Playlists.of([f"title {number}" for number in range(60)], which, np.concatenate(LISTS))


def test_unknown_tracks_and_second_times_are_left_out():
    found = Playlists.of(["a", "b", "c"], np.array([2, 0, 2, 0, 2, 2]), np.array([7, 5, -1, 5, 8, 7]))
    assert [found.tracks(number).tolist() for number in range(3)] == [[5], [], [7, 8]]
    assert (found.listed, found.matched) == (6, 5)
    twice = Playlists.joined([found, found])
    assert twice.titles == ("a", "b", "c") * 2
    assert [twice.tracks(number).tolist() for number in (0, 3, 5)] == [[5], [5], [7, 8]]


def test_what_is_judged_is_not_counted(playlists):
    judged, training = playlists.split(8, seed=1)
    assert len(judged) == 8
    assert sorted([*judged, *training]) == list(range(60))
    assert all(len(playlists.tracks(number)) > 1 for number in judged)
    counts = playlists.popularity(training, SIZE)
    plain = np.zeros(SIZE, int)
    for number in training:
        for track in LISTS[number]:
            plain[track] += 1
    np.testing.assert_array_equal(counts, plain)
    assert playlists.split(8, seed=1)[0].tolist() == judged.tolist()
    assert playlists.split(8, seed=2)[0].tolist() != judged.tolist()
    assert len(playlists.split(1000, seed=1)[0]) == np.sum(playlists.lengths > 1) // 5


@pytest.mark.parametrize("seeds", SEEDS)
def test_seeds_and_the_withheld_make_the_playlist(playlists, seeds):
    count, is_random = SEEDS[seeds]
    asked = tasks(playlists, np.arange(60), seeds, seed=0)
    assert len(asked) == np.sum(playlists.lengths > count)
    firsts = 0
    for task in asked:
        whole = playlists.tracks(task.playlist)
        assert len(task.seeds) == count
        assert sorted([*task.seeds, *task.withheld]) == sorted(whole)
        firsts += np.array_equal(task.seeds, whole[:count])
    assert firsts == 0 if is_random else firsts == len(asked)
    again = tasks(playlists, np.arange(59), seeds, seed=0)
    assert all(np.array_equal(one.seeds, other.seeds) for one, other in zip(again, asked, strict=False))


def test_a_playlist_without_a_title_is_not_asked_by_it():
    found = Playlists.of(["", " ", "jazz"], np.repeat(np.arange(3), 2), np.arange(6))
    assert [task.playlist for task in tasks(found, np.arange(3), "title", 0)] == [2]


def plain_list(scores, shown):
    return [track for track in np.argsort(-scores, kind="stable").tolist() if track not in shown][:CANDIDATES]


def test_lists_are_those_of_a_plain_loop(playlists):
    asked = tasks(playlists, np.arange(30), "first 10", 0)
    counts = playlists.popularity(np.arange(30, 60), SIZE)
    popular, mean = by_popularity(counts, asked), by_mean(ROWS, asked)
    assert popular.shape == mean.shape == (len(asked), CANDIDATES)
    for place, task in enumerate(asked):
        shown = set(task.seeds.tolist())
        assert popular[place].tolist() == plain_list(counts, shown)
        assert mean[place].tolist() == plain_list(ROWS @ ROWS[task.seeds].mean(axis=0), shown)


def test_one_interest_is_the_mean_vector(playlists):
    asked = tasks(playlists, np.arange(30), "first 5", 0)
    np.testing.assert_array_equal(by_interests(ROWS, asked, 1), by_mean(ROWS, asked))


def test_in_halves_the_same(playlists):
    asked = tasks(playlists, np.arange(30), "first 25", 0)
    whole = by_interests(ROWS, asked)
    halves = [by_interests(ROWS, part) for part in (asked[:9], asked[9:])]
    np.testing.assert_array_equal(whole, np.concatenate(halves))
    for row, task in zip(whole, asked, strict=True):
        assert len(set(row.tolist())) == CANDIDATES
        assert not set(row.tolist()) & set(task.seeds.tolist())


def test_where_few_are_left_the_list_ends():
    found = Playlists.of(["a"], np.zeros(6, int), np.arange(6))
    asked = tasks(found, np.array([0]), "first 5", 0)
    rows = ROWS[:8]
    for made in (by_mean(rows, asked), by_popularity(np.ones(8), asked), by_interests(rows, asked)):
        assert sorted(made[0, :3]) == [5, 6, 7]
        assert (made[0, 3:] == -1).all()
    assert by_query(rows, rows[6:7], asked)[0, 0] == 6
