"""Rows of a released embeddings table by index, and the changes between two releases."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.releases.releases import open_snapshot
from lake.storage.arrow import conform_to, index_in, is_in
from lake.storage.filters import in_clause
from lake.storage.lake import Lake
from lake.takedowns.takedowns import read_blocklist
from schemas.releases import Snapshot

BATCH_ROWS = 8192


@dataclass(frozen=True, slots=True)
class SnapshotRows:
    """Rows of a snapshot in the order of its table, which never changes.

    `indices` int [N] selects rows; None means all. `columns` None means all.
    """

    lake: Lake
    snapshot: Snapshot
    indices: np.ndarray | None = None
    columns: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return self.snapshot.tracks if self.indices is None else len(self.indices)

    @property
    def schema(self) -> pa.Schema:
        """The schema of the selected columns."""
        schema = self.lake.table(self.snapshot.table).schema
        return pa.schema([schema.field(name) for name in self.columns or schema.names])

    def batches(self, start: int, stop: int) -> Iterator[pa.Table]:
        """Yield the rows from `start` to `stop`, at most BATCH_ROWS at a time."""
        table, names = open_snapshot(self.lake, self.snapshot).table(self.snapshot.table), self.schema.names
        for first in range(start, stop, BATCH_ROWS):
            last = min(stop, first + BATCH_ROWS)
            if self.indices is None:
                yield table.to_table(columns=names, offset=first, limit=last - first)
            else:
                yield table.take(self.indices[first:last], columns=names)


def changed_indices(lake: Lake, before: Snapshot, after: Snapshot) -> Iterator[np.ndarray]:
    """Yield the indices in `after` of new and changed rows: int64, one array a batch."""
    old = open_snapshot(lake, before).table(before.table)
    old_ids = old.to_table(columns=["track_id"])["track_id"]
    rows, start = SnapshotRows(lake, after), 0
    old_names = [name for name in rows.schema.names if name in old.schema.names]  # an earlier tonelake knew fewer
    for batch in rows.batches(0, after.tracks):
        is_known: np.ndarray = is_in(batch["track_id"], old_ids).to_numpy()
        known = batch.filter(pa.array(is_known))
        old_rows = old.to_table(columns=old_names, filter=in_clause("track_id", known["track_id"].to_pylist()))
        old_rows = conform_to(old_rows.take(index_in(known["track_id"], old_rows["track_id"])), known.schema)
        changed = ~is_known
        changed[is_known] = differing_rows(known.combine_chunks(), old_rows.combine_chunks())
        yield start + np.flatnonzero(changed)
        start += len(batch)


def removed_tracks(lake: Lake, before: Snapshot, kept: pa.ChunkedArray) -> pa.Table:
    """Return the sorted ids, in a column track_id, that readers of `before` must drop.

    These are the tracks of `before` that are not `kept`, and all tracks that were taken down. The latter are in no
    release, but an earlier export may contain them.
    """
    old = open_snapshot(lake, before).table(before.table).to_table(columns=["track_id"])["track_id"]
    taken_down = pa.array(sorted(read_blocklist(lake).tracks), pa.string())
    candidates = pc.unique(pa.chunked_array([*old.chunks, taken_down], pa.string()))
    removed = candidates.filter(pc.invert(is_in(candidates, kept)))
    return pa.table({"track_id": removed.take(pc.sort_indices(removed))})


def differing_rows(table: pa.Table, other: pa.Table) -> np.ndarray:
    """Return, row by row, whether two tables of one schema differ: bool [N].

    Compares halves recursively, so that equal halves cost one comparison.
    """
    differs = np.zeros(len(table), bool)
    ranges = [(0, len(table))]
    while ranges:
        start, stop = ranges.pop()
        if table.slice(start, stop - start).equals(other.slice(start, stop - start)):
            continue
        if stop - start == 1:
            differs[start] = True
            continue
        middle = (start + stop) // 2
        ranges += [(start, middle), (middle, stop)]
    return differs
