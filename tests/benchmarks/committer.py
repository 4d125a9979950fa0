"""`make bench`: how many tracks a second one writer commits, beside plain appends of the same columns by Lance.

python -m tests.benchmarks.committer [--tracks 16384] [--windows 80] [--s3]

Rows are those of the default encoder: a vector of 480, features of 3,512 and 80 window vectors a track, as of a track
of four minutes. The plain way keeps no key, no lease and no count. With --s3 both write to a SeaweedFS on this
machine.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa

from lake.embeddings.committer import Committer
from lake.storage.lake import STORAGE_VERSION, Lake
from lake.storage.lease import Lease
from schemas.embeddings import embeddings_schema, features_schema, outcome_schema, windows_schema
from schemas.encoders import EncoderSpec
from schemas.settings import S3Settings, Settings
from schemas.tables import embeddings_table
from tests.benchmarks.figures import Figure, record_figures
from tests.seaweed import BUCKET, Seaweed
from workers.encoders.registry import ENCODERS

BATCH = 256  # tracks that a worker's block brings at once
SPEC = ENCODERS["musicnn"].spec


def main() -> None:
    """Write both ways and print tracks a second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=16_384)
    parser.add_argument("--windows", type=int, default=80)
    parser.add_argument("--s3", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not options.s3:
            record_figures("committer", measure(folder, options.tracks, options.windows))
            return
        with Seaweed(Path(folder)) as server:
            os.environ.update(server.environment())
            record_figures("committer_s3", measure(f"s3://{BUCKET}/bench", options.tracks, options.windows))


def measure(folder: str, tracks: int, windows: int) -> dict[str, Figure]:
    """Write rows without and with window vectors; print and return tracks a second, against plain appends."""
    figures = {}
    for count in (0, windows):
        batches = list(outcome_batches(tracks, count))
        size = sum(batch.nbytes for batch in batches) / tracks
        committer, plain = (
            with_committer(f"{folder}/lake-{count}", batches),
            with_lance(f"{folder}/plain-{count}", batches),
        )
        print(
            f"{count} window vectors a track, {size / 1e3:.0f} kB: {tracks / committer:,.0f} tracks/s, "
            f"plain appends {tracks / plain:,.0f}: {plain / committer:.0%} of their speed"
        )
        name = "with_windows" if count else "without_windows"
        figures[name] = Figure(tracks / committer, "tracks/s", True)
        figures[f"{name}_share"] = Figure(100 * plain / committer, "% of plain appends", True)
    return figures


def outcome_batches(tracks: int, windows: int) -> Iterator[pa.Table]:
    """Yield tables of outcomes with random numbers, BATCH rows each."""
    rng = np.random.default_rng(0)
    schema = outcome_schema(SPEC)
    for start in range(0, tracks, BATCH):
        vectors = rng.standard_normal((BATCH, SPEC.head.dim), np.float32)
        features = rng.standard_normal((BATCH, SPEC.backbone.dim), np.float32).astype(np.float16)
        flat = rng.standard_normal(BATCH * windows * SPEC.head.dim, np.float32).astype(np.float16)
        vectors_of_windows = pa.FixedSizeListArray.from_arrays(pa.array(flat), SPEC.head.dim)
        offsets = pa.array(np.arange(BATCH + 1, dtype=np.int32) * windows)
        columns = {
            "track_id": pa.array([f"t{start + row:08d}" for row in range(BATCH)]),
            "outcome": pa.array(["embedded"] * BATCH),
            "source_version": pa.array(["1"] * BATCH),
            "content_sha256": pa.array([f"c{start + row:08d}" for row in range(BATCH)]),
            "duration_s": pa.array([240.0] * BATCH),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), SPEC.head.dim),
            "features": pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), SPEC.backbone.dim),
            "window_vectors": pa.ListArray.from_arrays(offsets, vectors_of_windows),
        }
        empty = {field.name: pa.nulls(BATCH, field.type) for field in schema if field.name not in columns}
        yield pa.table(columns | empty).select(schema.names).cast(schema)


def with_committer(uri: str, batches: list[pa.Table]) -> float:
    lake = Lake.at(uri, S3Settings())
    with Lease(lake, embeddings_table(SPEC), "bench", print) as lease:
        committer = Committer(lake, SPEC, lease, "bench", Settings())
        started = time.perf_counter()
        for batch in batches:
            committer.add(batch)
        committer.flush()
    return time.perf_counter() - started


def with_lance(uri: str, batches: list[pa.Table]) -> float:
    """Append the same columns to three tables, 4,096 rows a commit."""
    options = S3Settings().lance_options() if uri.startswith("s3://") else None
    started = time.perf_counter()
    for start in range(0, len(batches), 4096 // BATCH):
        rows = pa.concat_tables(batches[start : start + 4096 // BATCH])
        for name, schema in tables_of(SPEC):
            kept = rows.select([column for column in schema.names if column in rows.column_names])
            lance.write_dataset(
                kept,
                f"{uri}/{name}.lance",
                mode="append",
                storage_options=options,
                data_storage_version=STORAGE_VERSION,
            )
    return time.perf_counter() - started


def tables_of(spec: EncoderSpec) -> list[tuple[str, pa.Schema]]:
    return [
        ("windows", windows_schema(spec)),
        ("features", features_schema(spec)),
        ("embeddings", embeddings_schema(spec)),
    ]


if __name__ == "__main__":
    main()
