"""Vectors or features of named tracks, for those who judge them: only of tracks embedded from their current file."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.storage.arrow import alike, place_in
from lake.storage.lake import Lake
from schemas.encoders import EncoderSpec
from schemas.tables import embeddings_table, features_table

INPUTS = ("vectors", "features")
BATCH_ROWS = 8192


@dataclass(frozen=True, slots=True)
class TrackVectors:
    """float32 rows [N, dim] of `track_ids`, sorted by it; `digest` names these tracks and the audio behind them."""

    track_ids: tuple[str, ...]
    rows: np.ndarray
    digest: str


def track_vectors(lake: Lake, spec: EncoderSpec, track_ids: set[str], inputs: str = "vectors") -> TrackVectors:
    """What the lake holds for those tracks; tracks without a vector of their current file are left out.

    `inputs` "features" gives the backbone's features instead, which for an identity head are the vectors.
    """
    embedded = lake.table(embeddings_table(spec)).to_table(
        columns=["track_id", "source_version", "content_sha256", "vector"]
    )
    wanted = pc.is_in(embedded["track_id"], pa.array(sorted(track_ids), pa.string()))
    embedded = embedded.filter(wanted).sort_by("track_id")
    embedded = embedded.filter(alike(embedded, lake.table("tracks").to_table(["track_id", "source_version"])))
    column = embedded["vector"]
    if inputs == "features" and spec.stores_features:
        table = lake.table(features_table(spec)).to_table(["track_id", "source_version", "features"])
        embedded = embedded.filter(alike(embedded, table))
        column = table["features"].take(place_in(embedded["track_id"], table["track_id"]))
    names = tuple(embedded["track_id"].to_pylist())
    told = "\n".join(f"{name} {sha}" for name, sha in zip(names, embedded["content_sha256"].to_pylist(), strict=True))
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    return TrackVectors(names, matrix(column), digest)


def batches_of(lake: Lake, table: str, columns: list[str], track_ids: pa.Array) -> Iterator[pa.RecordBatch]:
    """Rows of those tracks as they come from the table: one batch in memory at a time, however large the table is."""
    for batch in lake.table(table).to_batches(columns=["track_id", *columns], batch_size=BATCH_ROWS):
        yield batch.filter(pc.is_in(batch["track_id"], track_ids))


def matrix(column: pa.ChunkedArray) -> np.ndarray:
    """A column of vectors -> float32 [N, dim]."""
    width = column.type.list_size
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.astype(np.float32).reshape(-1, width)
