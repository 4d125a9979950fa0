"""Moments of hits, and the segments of all tracks nearest to a query.

Segments are sought in two stages. The first finds candidates: the tracks with the nearest stretches, a stretch being
the mean of about 30 s of windows. The second compares all windows of the candidates.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.embeddings.filters import Filter, TrackSet
from lake.embeddings.moments import average_neighbours, find_moments, window_times
from lake.embeddings.search import nearest_rows, resolve_filter
from lake.embeddings.vector_index import search_index
from lake.storage.arrow import index_in, is_in, same_version, string_column
from lake.storage.filters import select_in
from lake.storage.lake import Lake
from schemas.encoders import EncoderSpec
from schemas.search import Moment
from schemas.tables import embeddings_table, windows_table

MAX_PER_TRACK = 3  # a track of one sound would fill the answer
CANDIDATES = 100  # tracks whose windows are compared, for up to 50 segments
# The nearest stretches are sought among many: a window of the answer may lie at the edge of its stretch.
_NEAREST = {"column": "stretch_vectors", "metric": "cosine", "nprobes": 100}
_WINDOWS_AT_ONCE = 512  # so that their float32 copy stays in the processor's cache


Score = Callable[[np.ndarray], np.ndarray]  # of unit vectors, float32 [windows, dim] -> [windows]


def best_moments(lake: Lake, spec: EncoderSpec, rows: pa.Table, score: Score) -> dict[str, Moment]:
    """Return by track_id the moment with the highest score.

    `rows` have the columns track_id, source_version and duration_s of the embeddings table. A track without windows of
    its current file has no moment.
    """
    return {track_id: moments[0] for track_id, moments in all_moments(lake, spec, rows, score).items()}


def all_moments(lake: Lake, spec: EncoderSpec, rows: pa.Table, score: Score) -> dict[str, list[Moment]]:
    """Return by track_id all moments, the best first. `rows` are those of `best_moments`."""
    ids = rows["track_id"].to_pylist()
    return {
        ids[index]: moments
        for index, scores, times, duration in _score_windows(lake, spec, rows, score)
        if (moments := find_moments(scores, times, duration))
    }


def count_without_moments(lake: Lake, spec: EncoderSpec) -> int:
    """Count the embedded rows of a version whose windows the lake does not keep."""
    embedded, stored = lake.find_table(embeddings_table(spec)), lake.find_table(windows_table(spec))
    if embedded is None or stored is None:
        return embedded.count_rows() if embedded is not None else 0
    columns = ["track_id", "source_version"]
    kept = same_version(embedded.to_table(columns=columns), stored.to_table(columns=columns))
    return len(kept) - int(pc.sum(kept).as_py() or 0)


def nearest_segments(
    lake: Lake, spec: EncoderSpec, query: np.ndarray, score: Score, k: int, columns: list[str], condition: Filter
) -> tuple[pa.Table, list[Moment]]:
    """Return the k segments with the highest scores, and a row for each.

    The candidates are those nearest to a unit vector [dim]. A track has at most three segments. A row has `columns`,
    which contain track_id, source_version and duration_s. Raises UserError if the filter is not valid SQL.
    """
    rows = _candidates(lake, spec, query, max(2 * k, CANDIDATES), columns, condition)
    compared = list(_score_windows(lake, spec, rows, score))
    compared.sort(key=lambda track: -average_neighbours(track[1], track[2]).max())
    segments = [
        (index, moment)
        for index, scores, times, duration in compared[:k]  # the k best segments are in the tracks of the k best
        for moment in find_moments(scores, times, duration)[:MAX_PER_TRACK]
    ]
    segments = sorted(segments, key=lambda segment: -segment[1].score)[:k]
    return rows.take(pa.array([index for index, _ in segments], pa.int64())), [moment for _, moment in segments]


def _candidates(
    lake: Lake, spec: EncoderSpec, query: np.ndarray, count: int, columns: list[str], condition: Filter
) -> pa.Table:
    """Return the tracks whose windows are worth comparing, without repeats.

    If few tracks with near stretches pass the filter, the tracks that are nearest by their own vectors are added.
    """
    condition = resolve_filter(lake, spec, condition)
    near = _tracks_of_near_stretches(lake, spec, query, count)
    if condition.only is not None:
        near = near.filter(is_in(near, condition.only.ids))
    rows = nearest_rows(lake, spec, None, max(1, len(near)), columns, replace(condition, only=TrackSet(near)))
    if len(rows) < count / 2:
        others = nearest_rows(lake, spec, query, count, columns, condition).select(columns)
        rows = pa.concat_tables([rows, others.filter(pc.invert(is_in(others["track_id"], rows["track_id"])))])
    return rows


def _tracks_of_near_stretches(lake: Lake, spec: EncoderSpec, query: np.ndarray, count: int) -> pa.ChunkedArray:
    """Return the ids of the tracks with the nearest stretches.

    There are none in a lake that keeps no stretches.
    """
    table = lake.find_table(windows_table(spec))
    if table is None or "stretch_vectors" not in table.schema.names:
        return string_column([])
    nearest = _NEAREST | {"q": query.astype(np.float32), "k": count}
    return search_index(table, nearest, columns=["track_id", "_distance"])["track_id"]


def _score_windows(
    lake: Lake, spec: EncoderSpec, rows: pa.Table, score: Score
) -> Iterator[tuple[int, np.ndarray, np.ndarray, float]]:
    """Yield what is known of each row that has windows of its file.

    That is its index, the scores [windows], the times [windows, 2] and the duration.
    """
    table = lake.find_table(windows_table(spec)) if len(rows) else None
    if table is None:
        return
    columns = ["track_id", "source_version", "window_vectors"]
    stored = select_in(table, "track_id", rows["track_id"].to_pylist(), columns)
    stored = stored.filter(same_version(stored, rows))
    times = cache(partial(window_times, spec.backbone.windows))
    indices = index_in(stored["track_id"], rows["track_id"]).to_pylist()
    durations = rows["duration_s"].to_pylist()
    vectors = stored["window_vectors"].combine_chunks()
    flat = vectors.flatten().flatten().to_numpy(zero_copy_only=False).reshape(-1, spec.head.dim)
    scores = _scores(flat, score)
    counts = pc.fill_null(pc.list_value_length(vectors), 0).to_numpy(zero_copy_only=False)
    for index, part in zip(indices, np.split(scores, np.cumsum(counts)[:-1]), strict=True):
        if len(part):
            duration = float(durations[index] or 0.0)
            yield index, part, times(duration, len(part)), duration


def _scores(windows: np.ndarray, score: Score) -> np.ndarray:
    """Return the scores [windows] of unit vectors, float16 [windows, dim]."""
    blocks = [windows[start : start + _WINDOWS_AT_ONCE] for start in range(0, len(windows), _WINDOWS_AT_ONCE)]
    return np.concatenate([np.zeros(0, np.float32), *(score(block.astype(np.float32)) for block in blocks)])
