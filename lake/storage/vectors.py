"""Vectors and features of tracks as arrays, only of those embedded from their current file."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.storage.arrow import index_in, same_version
from lake.storage.lake import Lake
from schemas.encoders import EncoderSpec
from schemas.tables import embeddings_table, features_table

BATCH_ROWS = 8192


@dataclass(frozen=True, slots=True)
class TrackVectors:
    """Vectors of tracks.

    `rows` is float32 [N, dim], in the order of `track_ids`, which are sorted. `digest` is a
    hash of the tracks and of their audio.
    """

    track_ids: tuple[str, ...]
    rows: np.ndarray
    digest: str


def load_track_vectors(lake: Lake, spec: EncoderSpec, track_ids: set[str], inputs: str = "vectors") -> TrackVectors:
    """Return the vectors of those tracks that were embedded from their current file.

    `inputs` "features" returns the backbone's features instead; for an identity head these are the vectors.
    """
    embedded = lake.table(embeddings_table(spec)).to_table(
        columns=["track_id", "source_version", "content_sha256", "vector"]
    )
    wanted = pc.is_in(embedded["track_id"], pa.array(sorted(track_ids), pa.string()))
    embedded = embedded.filter(wanted).sort_by("track_id")
    embedded = embedded.filter(same_version(embedded, lake.table("tracks").to_table(["track_id", "source_version"])))
    column = embedded["vector"]
    if inputs == "features" and spec.stores_features:
        features = lake.table(features_table(spec)).to_table(["track_id", "source_version", "features"])
        embedded = embedded.filter(same_version(embedded, features))
        column = features["features"].take(index_in(embedded["track_id"], features["track_id"]))
    ids, contents = embedded["track_id"].to_pylist(), embedded["content_sha256"].to_pylist()
    text = "\n".join(f"{track_id} {content}" for track_id, content in zip(ids, contents, strict=True))
    return TrackVectors(tuple(ids), to_matrix(column), hashlib.sha256(text.encode()).hexdigest()[:16])


def read_batches(lake: Lake, table: str, columns: list[str], track_ids: pa.Array) -> Iterator[pa.RecordBatch]:
    """Yield the rows of those tracks in the table's order, batch by batch."""
    for batch in lake.table(table).to_batches(columns=["track_id", *columns], batch_size=BATCH_ROWS):
        yield batch.filter(pc.is_in(batch["track_id"], track_ids))


def to_matrix(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of vectors as float32 [N, dim]."""
    width = column.type.list_size
    flat: np.ndarray = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.astype(np.float32).reshape(-1, width)
