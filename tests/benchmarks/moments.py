"""`make bench`: moments of hits, and a search for segments, on made-up tracks whose windows differ.

python -m tests.benchmarks.moments [--tracks 20000] [--windows 80] [--queries 100] [--home 0.5]

Sounds lie around 3,000 centres of a space of 64 numbers, at 0.6 of the centre's length. A track has a sound of its own
and 3 to 6 sections, each with another sound. A window is the unit sum of the three parts: the track's sound (`--home`
of the square of the length; .5 is that of 69 real tracks with the default encoder, 0 makes the sections independent),
the section's (.8 less `--home`), and noise (.2). It is projected to 384 numbers. Half of
the queries are windows of some tracks at a cosine of about .8, like a recording of them; the others are centres.
Recall is against all windows of all tracks by the same rule: a segment counts if one of the answer's segments of its
track overlaps half of it.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa

from lake.embeddings.filters import NO_FILTER
from lake.embeddings.indexes import update_indexes
from lake.embeddings.moments import average_neighbours, find_moments, window_times
from lake.embeddings.search import nearest_rows
from lake.embeddings.segments import MAX_PER_TRACK, best_moments, nearest_segments
from lake.embeddings.stretches import stretch_vectors
from lake.storage.lake import STORAGE_VERSION, Lake
from schemas.embeddings import embeddings_schema, windows_schema
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from schemas.search import Moment
from schemas.settings import S3Settings
from schemas.tables import embeddings_table, windows_table
from tests.benchmarks.figures import Figure, record_figures
from workers.encoders.musicnn.encoder import CONSE

DIM, LATENT, CENTRES, K = 384, 64, 3000, 10
GRID = CONSE.backbone.windows
SPEC = EncoderSpec("synthetic", "MIT", "", BackboneSpec("0" * 64, GRID, "", "", DIM), HeadSpec("", DIM))
COLUMNS = ["track_id", "source_version", "duration_s"]
BATCH = 2000


class Sounds:
    """A generator of tracks, windows and queries; `home` is the share of a track's own sound."""

    def __init__(self, home: float, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.shares = np.sqrt([home, 0.8 - home, 0.2]).astype(np.float32)
        self.centres = unit(self._normal(CENTRES, LATENT))
        self.projection = np.linalg.qr(self._normal(DIM, LATENT))[0].T.astype(np.float32)

    def make_tracks(self, count: int, windows: int) -> np.ndarray:
        """Return windows, float16 [count, windows, DIM]."""
        home, sections = self._sounds(count), self._sounds(count * 6).reshape(count, 6, LATENT)
        section = np.zeros((count, windows), int)
        for track in range(count):
            cuts = self.random.choice(np.arange(3, windows - 2, 3), self.random.integers(2, 6), replace=False)
            section[track] = np.searchsorted(np.sort(cuts), np.arange(windows), side="right")
        noise = unit(self._normal(count, windows, LATENT))
        parts = (home[:, None], np.take_along_axis(sections, section[:, :, None], axis=1), noise)
        sounds = sum(share * part for share, part in zip(self.shares, parts, strict=True))
        vectors = np.reshape(sounds, (-1, LATENT)) @ self.projection
        return unit(vectors).astype(np.float16).reshape(count, windows, DIM)

    def make_queries(self, count: int, windows: np.ndarray) -> np.ndarray:
        """Return unit vectors [count, DIM]; half of them are like some of the `windows` [n, DIM]."""
        centres = self.centres[self.random.integers(CENTRES, size=count - count // 2)] @ self.projection
        recorded = windows[self.random.integers(len(windows), size=count // 2)].astype(np.float32)
        noise = unit(self._normal(len(recorded), LATENT)) @ self.projection
        return unit(np.concatenate([recorded + 0.75 * noise, centres]))

    def _sounds(self, count: int) -> np.ndarray:
        near = self.centres[self.random.integers(CENTRES, size=count)]
        return unit(near + 0.6 * unit(self._normal(count, LATENT)))

    def _normal(self, *shape: int) -> np.ndarray:
        return self.random.standard_normal(shape, dtype=np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors [..., dim] at length 1."""
    lengths: np.ndarray = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / lengths


def main() -> None:
    """Make a lake, ask it, and print speed, recall and bytes a track."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("tracks", 20_000), ("windows", 80), ("queries", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--home", type=float, default=0.5)
    parser.add_argument(
        "--folder",
        help="folder to make the lake in and to keep it, or with one of an earlier call; default: a temporary one",
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        lake = Lake.at(f"{arguments.folder or temporary}/lake", S3Settings()).hold()
        sounds = Sounds(arguments.home)
        if lake.find_table(windows_table(SPEC)) is None:
            write_tracks(lake, sounds, arguments.tracks, arguments.windows)
        queries = sounds.make_queries(arguments.queries, next(read_windows(lake.reopen()))[1].reshape(-1, DIM))
        figures = measure(lake, queries)
    record_figures("moments", figures)


def write_tracks(lake: Lake, sounds: Sounds, tracks: int, windows: int) -> None:
    """Write the tables and their indexes."""
    started = time.perf_counter()
    for start in range(0, tracks, BATCH):
        batch = sounds.make_tracks(min(BATCH, tracks - start), windows)
        count = len(batch)
        keys = {
            "track_id": pa.array([f"{number:032x}" for number in range(start, start + count)]),
            "source_version": pa.repeat("1", count),
            "duration_s": pa.repeat(windows * GRID.hop / GRID.sample_rate, count),
        }
        means = unit(batch.astype(np.float32).mean(axis=1))
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(batch.reshape(-1)), DIM)
        lists = pa.ListArray.from_arrays(np.arange(0, count * windows + 1, windows, dtype=np.int32), vectors)
        stretches = stretch_vectors(SPEC, pa.chunked_array([lists]))
        vector = pa.FixedSizeListArray.from_arrays(pa.array(means.reshape(-1)), DIM)
        append(
            lake,
            windows_table(SPEC),
            windows_schema(SPEC),
            keys | {"window_vectors": lists, "stretch_vectors": stretches},
        )
        append(lake, embeddings_table(SPEC), embeddings_schema(SPEC), keys | {"vector": vector})
    print(f"{tracks:,} tracks of {windows} windows written in {time.perf_counter() - started:.0f} s")
    for name in (embeddings_table(SPEC), windows_table(SPEC)):
        started = time.perf_counter()
        done = update_indexes(lake.table(name), name)
        print(f"{name}: {', '.join(done)} in {time.perf_counter() - started:.0f} s")


def append(lake: Lake, name: str, schema: pa.Schema, columns: dict[str, pa.Array]) -> None:
    """Append rows to a table; columns that are not given are null."""
    count = len(columns["track_id"])
    arrays = [columns.get(field.name, pa.nulls(count, field.type)) for field in schema]
    rows = pa.table(arrays, schema=schema)
    lance.write_dataset(rows, lake.table_uri(name), mode="append", data_storage_version=STORAGE_VERSION)


def measure(lake: Lake, queries: np.ndarray) -> dict[str, Figure]:
    """Time hits with their moments and searches for segments; print and return the figures."""
    lake = lake.reopen()
    plain = time_each(lambda query: nearest_rows(lake, SPEC, query, K, COLUMNS), queries)
    hits = [nearest_rows(lake, SPEC, query, K, COLUMNS) for query in queries]
    moments = time_each(lambda query: best_moments(lake, SPEC, hits.pop(0), lambda windows: windows @ query), queries)
    answers: list[list[tuple[str, Moment]]] = []

    def ask(query: np.ndarray) -> None:
        rows, segments = nearest_segments(lake, SPEC, query, lambda windows: windows @ query, K, COLUMNS, NO_FILTER)
        answers.append(list(zip(rows["track_id"].to_pylist(), segments, strict=True)))

    seconds = time_each(ask, queries)
    half = len(queries) // 2
    exact = all_windows_compared(lake, queries)
    recalls = [np.mean(list(map(recall, exact[part], answers[part]))) for part in (slice(half), slice(half, None))]
    sizes = table_bytes(lake)
    print(f"vector search {quantiles(plain)}, best moments of its {K} hits {quantiles(moments)}")
    print(f"segments {quantiles(seconds)}, recall@{K} {recalls[0]:.3f} of recordings, {recalls[1]:.3f} of centres")
    print(f"bytes a track: {sizes}")
    return {
        "best_ms": Figure(1e3 * float(np.median(moments)), "ms"),
        "segments_ms": Figure(1e3 * float(np.median(seconds)), "ms"),
        "recall": Figure(float(np.mean(recalls)), "recall@10", True),
    }


def time_each(ask: Callable[[np.ndarray], object], queries: np.ndarray) -> list[float]:
    """Return the seconds of each query; print the processor's time, which other processes do not lengthen."""
    seconds, started_cpu = [], time.process_time()
    for query in queries:
        started = time.perf_counter()
        ask(query)
        seconds.append(time.perf_counter() - started)
    print(
        f"processor's time of all threads: {1e3 * (time.process_time() - started_cpu) / len(queries):.1f} ms a query"
    )
    return seconds


def quantiles(seconds: list[float]) -> str:
    """Return the median and the 95th percentile in words."""
    p50, p95 = np.percentile(seconds, [50, 95]) * 1e3
    return f"p50 {p50:.1f} ms, p95 {p95:.1f} ms"


def all_windows_compared(lake: Lake, queries: np.ndarray) -> list[list[tuple[str, Moment]]]:
    """Return the K best segments of each query, of all tracks."""
    best: list[list[tuple[float, str, np.ndarray, np.ndarray]]] = [[] for _ in queries]
    for ids, windows in read_windows(lake):
        times = window_times(GRID, windows.shape[1] * GRID.hop / GRID.sample_rate, windows.shape[1])
        cosines = (windows.reshape(-1, DIM) @ queries.T).reshape(len(ids), -1, len(queries))
        for number, kept in enumerate(best):
            of_query = cosines[:, :, number]
            averaged = average_rows(of_query)
            top = np.argsort(-averaged)[:K]
            kept += [(float(averaged[row]), ids[row], of_query[row].copy(), times) for row in top]
            best[number] = sorted(kept, key=lambda track: -track[0])[:K]
    return [
        sorted(
            (
                (track, moment)
                for _, track, cosines, times in kept
                for moment in find_moments(cosines, times, float(times[-1, 1]))[:MAX_PER_TRACK]
            ),
            key=lambda segment: -segment[1].score,
        )[:K]
        for kept in best
    ]


def average_rows(cosines: np.ndarray) -> np.ndarray:
    """Return the best averaged cosine of each track [tracks], from [tracks, windows] of three-second windows."""
    padded = np.pad(cosines, ((0, 0), (1, 1)))
    counts = average_counts(cosines.shape[1])
    best: np.ndarray = ((padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / counts).max(axis=1)
    times = window_times(GRID, cosines.shape[1] * GRID.hop / GRID.sample_rate, cosines.shape[1])
    assert np.isclose(best[0], average_neighbours(cosines[0], times).max(), atol=1e-5)
    return best


def average_counts(windows: int) -> np.ndarray:
    """Return how many windows each average is over, [windows]."""
    counts = np.full(windows, 3.0)
    counts[[0, -1]] = 2
    return counts


def read_windows(lake: Lake) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield ids and windows [tracks, windows, DIM] float32."""
    for batch in lake.table(windows_table(SPEC)).to_batches(columns=["track_id", "window_vectors"], batch_size=BATCH):
        flat = batch["window_vectors"].flatten().flatten().to_numpy(zero_copy_only=False)
        yield batch["track_id"].to_pylist(), flat.astype(np.float32).reshape(len(batch), -1, DIM)


def recall(exact: list[tuple[str, Moment]], answer: list[tuple[str, Moment]]) -> float:
    """Return the share of the exact segments that the answer has, by at least half of their length."""
    return float(
        np.mean([any(name == other and overlaps(moment, near) for other, near in answer) for name, moment in exact])
    )


def overlaps(moment: Moment, other: Moment) -> bool:
    """Tell whether `other` covers at least half of `moment`."""
    common = min(moment.end_s, other.end_s) - max(moment.start_s, other.start_s)
    return common >= (moment.end_s - moment.start_s) / 2


def table_bytes(lake: Lake) -> str:
    """Return the bytes a track of the windows table's columns and indexes, in words."""
    table = lake.table(windows_table(SPEC))
    rows, uri = table.count_rows(), Path(lake.table_uri(windows_table(SPEC)))
    indexes = sum(file.stat().st_size for file in uri.glob("_indices/*/*"))
    stretches = len(table.take([0], columns=["stretch_vectors"])["stretch_vectors"][0])
    windows = len(table.take([0], columns=["window_vectors"])["window_vectors"][0])
    return (
        f"windows {windows * DIM * 2:,}, {stretches} stretches {stretches * DIM * 4:,}, "
        f"their indexes {indexes / rows:,.0f}"
    )


if __name__ == "__main__":
    main()
