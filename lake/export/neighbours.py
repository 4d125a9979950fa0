"""Nearest neighbours as files of an export: one Parquet part for each block of tracks."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.export.formats import METADATA_KEY
from lake.export.rows import SnapshotRows
from lake.releases.releases import open_snapshot
from lake.storage.lake import Lake
from lake.storage.vectors import to_matrix
from schemas.releases import Snapshot

SCHEMA = pa.schema(
    [
        pa.field("track_id", pa.string()),
        pa.field("neighbours", pa.list_(pa.string())),  # the nearest first
        pa.field("scores", pa.list_(pa.float32())),  # their cosines
    ]
)


def write_block(
    path: str, metadata: bytes, track_ids: pa.Array, start: int, rows: np.ndarray, scores: np.ndarray
) -> None:
    """Write the part of one block of Q tracks.

    The block starts at index `start` of all `track_ids`. `rows` int [Q, k] are indices of the neighbours in
    `track_ids`, the nearest first; `scores` float [Q, k] are their cosines. `metadata` tells which rows they are.
    """
    q, k = rows.shape
    offsets = pa.array(np.arange(0, q * k + 1, k) if k else np.zeros(q + 1), pa.int32())
    neighbours = pa.ListArray.from_arrays(offsets, track_ids.take(pa.array(rows.ravel())))
    cosines = pa.ListArray.from_arrays(offsets, pa.array(scores.ravel(), pa.float32()))
    schema = SCHEMA.with_metadata({METADATA_KEY: metadata})
    pq.write_table(pa.table([track_ids.slice(start, q), neighbours, cosines], schema=schema), path, compression="zstd")


def sorted_track_ids(lake: Lake, snapshot: Snapshot, indices: np.ndarray | None = None) -> tuple[pa.Array, np.ndarray]:
    """Return the sorted track_ids of a snapshot, and their table rows: int [N].

    With `indices` int [N], only those rows.
    """
    table = open_snapshot(lake, snapshot).table(snapshot.table)
    track_ids = table.to_table(columns=["track_id"])["track_id"].combine_chunks()
    order = pc.sort_indices(track_ids).to_numpy()
    if indices is not None:
        order = order[np.isin(order, indices)]
    return track_ids.take(pa.array(order)), order


def vector_blocks(lake: Lake, snapshot: Snapshot, order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield the vectors in that order, float32 [size, dim] a block. Each is read once."""
    for start in range(0, len(order), size):
        rows = SnapshotRows(lake, snapshot, order[start : start + size], ("vector",))
        yield np.concatenate([to_matrix(batch["vector"]) for batch in rows.batches(0, len(rows))])
