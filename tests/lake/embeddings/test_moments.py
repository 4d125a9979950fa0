"""The rule that makes moments of the cosines of a track's windows."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from lake.embeddings.moments import find_moments, window_times
from lake.embeddings.stretches import stretch_vectors
from schemas.audio import WindowSpec
from schemas.embeddings import windows_schema
from tests.lake.rows import SPEC

GRID = WindowSpec(sample_rate=100, window=300, hop=300)  # windows of 3 s


def moments(cosines, duration_s=None, grid=GRID):
    duration = duration_s or len(cosines) * grid.hop / grid.sample_rate
    times = window_times(grid, duration, len(cosines))
    return [(moment.start_s, moment.end_s) for moment in find_moments(np.array(cosines, float), times, duration)]


def test_a_run_of_near_windows_is_a_moment():
    assert moments([0] * 10 + [1] * 5 + [0] * 10) == [(30, 45)]
    assert sorted(moments([0] * 5 + [1] * 5 + [0] * 5 + [0.9] * 5)) == [(15, 30), (45, 60)]


def test_odd_windows_and_gaps_of_less_than_five_seconds_do_not_part_a_moment():
    assert moments([0] * 10 + [1, 1, 1, 0, 1, 1, 1] + [0] * 10) == [(30, 51)]


def test_a_moment_has_at_most_a_minute_and_at_least_five_seconds():
    assert moments([0.5] * 100) == [(0, 60)]
    peak = [0.5] * 50 + [0.6] + [0.5] * 50
    ((start, end),) = moments([0] * 200 + peak + [0] * 200)
    assert (end - start, (start + end) / 2) == (60, pytest.approx(751.5, abs=6))
    assert moments([1], duration_s=3) == [(0, 3)]
    spread = replace(GRID, limit=4)
    assert moments([0, 0, 0, 1], 300, spread) == [(295, 300)]
    assert moments([0, 1, 0, 0], 300, spread) == [(98, 103)]


def test_times_of_windows():
    assert window_times(GRID, 9, 3).tolist() == [[0, 3], [3, 6], [6, 9]]
    assert window_times(GRID, 7.7, 3).tolist() == [[0, 3], [3, 6], [6, 7.7]]
    assert window_times(replace(GRID, limit=3), 300, 3)[:, 0].tolist() == [0, 150, 297]
    assert window_times(replace(GRID, limit=30), 9, 3)[:, 0].tolist() == [0, 3, 6]
    assert window_times(GRID, 0.0, 1).tolist() == [[0, 0]]


def test_no_windows_have_no_moment():
    assert moments([], 10) == []


def test_stretches_are_unit_means_of_thirty_seconds():
    """The windows of SPEC have one second."""
    windows = np.random.default_rng(0).standard_normal((70, 8)).astype(np.float16)
    column = pa.chunked_array(
        [[list(windows), None, list(windows[:1])]], windows_schema(SPEC).field("window_vectors").type
    )
    first, missing, short = stretch_vectors(SPEC, column).to_pylist()
    expected = [part.astype(np.float32).sum(axis=0) for part in np.split(windows, [30, 60])]
    np.testing.assert_allclose(first, [part / np.linalg.norm(part) for part in expected], atol=1e-6)
    assert missing is None
    assert np.linalg.norm(short) == pytest.approx(1)
