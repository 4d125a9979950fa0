"""The registry's columns beside an export, as they were when it started.

They stand in a file of their own, because the other files of a release never change, and rights do. It lies in a
folder, so that DIR/*.parquet are rows of the embeddings table alone.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.catalogue.rights import is_available
from lake.export.formats import METADATA_KEY, OutputFile, rows_metadata
from lake.export.rows import BATCH_ROWS
from lake.releases.releases import open_snapshot
from lake.storage.arrow import conform_to, index_in, with_column
from lake.storage.lake import Lake
from schemas.releases import Snapshot
from schemas.rights import RIGHTS_COLUMNS, RightsFilter
from schemas.tracks import TRACKS

FILE = "registry/part-00000.parquet"
_NAMES = ("track_id", "uri", "isrc", *RIGHTS_COLUMNS, "extra")
_NULL, _ROW, _COLUMN, _ITEM = "\x00", "\x1d", "\x1e", "\x1f"  # no value holds ASCII's separators
SCHEMA = pa.schema([TRACKS.field(name).remove_metadata() for name in _NAMES])


def read_registry(lake: Lake, snapshot: Snapshot) -> pa.Table:
    """Return the registry's columns for each row of a snapshot, in its order.

    They are in memory: a few hundred bytes a track.
    """
    track_ids = open_snapshot(lake, snapshot).table(snapshot.table).to_table(columns=["track_id"])["track_id"]
    registry = lake.table("tracks")
    known = [name for name in _NAMES if name in registry.schema.names]  # an earlier tonelake knew fewer
    rows = conform_to(registry.to_table(columns=known), SCHEMA.set(0, SCHEMA.field(0).with_nullable(True)))
    rows = rows.take(index_in(track_ids, rows["track_id"]))
    return with_column(rows, "track_id", track_ids).cast(SCHEMA).combine_chunks()


def registry_digest(rows: pa.Table) -> str:
    """Return a hash of rows of the registry, the same on every machine."""
    digest = hashlib.sha256()
    for start in range(0, len(rows), BATCH_ROWS):
        columns = rows.slice(start, BATCH_ROWS).columns
        texts = [pc.binary_join(column, _ITEM) if pa.types.is_list(column.type) else column for column in columns]
        joined = pc.binary_join_element_wise(*(pc.fill_null(text, _NULL) for text in texts), _COLUMN)
        digest.update("".join(text + _ROW for text in joined.to_pylist()).encode())
    return digest.hexdigest()


def select_rows(registry: pa.Table, rights: RightsFilter, changed: np.ndarray | None) -> np.ndarray:
    """Return the indices of the rows that a filtered export has: int64 [N].

    With `changed`, the indices of an increment, they are the changed rows that the filter keeps, and all those whose
    rights are or were limited: an earlier export may have been filtered by other rights, or for another day.
    """
    kept = is_available(registry, rights)
    if changed is not None:
        is_written = np.zeros(len(registry), bool)
        is_written[changed] = True
        for name in RIGHTS_COLUMNS:
            is_written |= pc.is_valid(registry[name]).to_numpy()
        kept &= is_written
    return np.flatnonzero(kept)


def registry_file(registry: pa.Table, plan: dict[str, Any]) -> OutputFile:
    """Return the file with the registry's columns of all tracks, in increments too."""
    metadata = rows_metadata(plan, 0, len(registry))

    def write(path: str) -> Iterator[None]:
        schema = registry.schema.with_metadata({METADATA_KEY: metadata})
        pq.write_table(registry.cast(schema), path, compression="zstd")
        yield

    return OutputFile(FILE, len(registry), write, metadata)
