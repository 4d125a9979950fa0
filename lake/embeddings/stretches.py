"""Stretches: unit means of about 30 s of a track's windows.

By them a search for segments finds its candidates.
"""

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.encoders import list_encoder_versions
from lake.storage.lake import Lake
from schemas.embeddings import windows_schema
from schemas.encoders import EncoderSpec
from schemas.tables import vector, windows_table

STRETCH_SECONDS = 30.0
_ROWS_AT_ONCE = 256  # as float32: 31 MB of windows of 384 numbers


def stretch_vectors(spec: EncoderSpec, window_vectors: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the vectors of each track's stretches: lists of float32 [dim].

    A track without windows has null. `window_vectors` are those of the windows table. The last stretch may be shorter.
    """
    parts = [window_vectors.slice(start, _ROWS_AT_ONCE) for start in range(0, len(window_vectors), _ROWS_AT_ONCE)]
    kind = pa.list_(vector(spec.head.dim))
    return pa.chunked_array([_mean_stretches(spec, part.combine_chunks()) for part in parts], kind)


def lacks_stretches(lake: Lake, name: str) -> bool:
    """Tell whether a table of windows has rows without stretches: they were written without them."""
    if not name.startswith("windows__"):
        return False
    table = lake.table(name)
    if "stretch_vectors" not in table.schema.names:
        return table.count_rows() > 0
    return len(table.to_table(columns=["track_id"], filter="stretch_vectors IS NULL", limit=1)) > 0


def fill_stretches(lake: Lake, name: str) -> list[str]:
    """Compute the stretches of a table anew if a row lacks them.

    Returns a line about it. Nothing is decoded. The caller holds the lease of the table.
    """
    specs = [version.spec for version in list_encoder_versions(lake) if windows_table(version.spec) == name]
    if not specs or not lacks_stretches(lake, name):
        return []
    table, field = lake.table(name), windows_schema(specs[0]).field("stretch_vectors")

    @lance.batch_udf(output_schema=pa.schema([field]))
    def compute(batch: pa.RecordBatch) -> pa.RecordBatch:
        stretches = stretch_vectors(specs[0], pa.chunked_array([batch["window_vectors"]]))
        return pa.record_batch([stretches.combine_chunks()], schema=pa.schema([field]))

    if field.name in table.schema.names:
        table.drop_columns([field.name])
    table.add_columns(compute, read_columns=["window_vectors"], batch_size=_ROWS_AT_ONCE)
    return [f"computed the stretches of {table.count_rows():,} tracks"]


def _mean_stretches(spec: EncoderSpec, windows: pa.ListArray) -> pa.ListArray:
    grid, dim = spec.backbone.windows, spec.head.dim
    length = max(1, round(STRETCH_SECONDS * grid.sample_rate / grid.hop))
    counts = pc.fill_null(pc.list_value_length(windows), 0).to_numpy(zero_copy_only=False)
    firsts = np.cumsum(counts) - counts
    starts = [np.arange(first, first + count, length) for first, count in zip(firsts, counts, strict=True)]
    flat = windows.flatten().flatten().to_numpy(zero_copy_only=False).reshape(-1, dim).astype(np.float32)
    sums = np.add.reduceat(flat, np.concatenate(starts), axis=0) if len(flat) else flat
    means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    ends = np.cumsum([len(row) for row in starts], dtype=np.int32)
    offsets = pa.array(np.concatenate([[0], ends]).astype(np.int32), mask=np.append(counts == 0, False))
    values = pa.FixedSizeListArray.from_arrays(pa.array(means.ravel()), dim)
    return pa.ListArray.from_arrays(offsets, values)
