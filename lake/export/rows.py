"""Rows of an embeddings table as it was released, by their places; and what changed between two releases."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.releases.releases import at
from lake.storage.arrow import is_among, place_in
from lake.storage.filters import among
from lake.storage.lake import Lake
from lake.takedowns.takedowns import refused
from schemas.releases import Snapshot

BATCH_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a snapshot in the order of its table, which never changes; all of them, or those at `places`."""

    lake: Lake
    snapshot: Snapshot
    places: np.ndarray | None = None
    columns: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return self.snapshot.tracks if self.places is None else len(self.places)

    @property
    def schema(self) -> pa.Schema:
        """Of the columns asked for."""
        schema = self.lake.table(self.snapshot.table).schema
        return pa.schema([schema.field(name) for name in self.columns or schema.names])

    def batches(self, start: int, stop: int) -> Iterator[pa.Table]:
        """Rows start to stop, at most BATCH_ROWS in memory."""
        table, names = at(self.lake, self.snapshot).table(self.snapshot.table), self.schema.names
        for first in range(start, stop, BATCH_ROWS):
            last = min(stop, first + BATCH_ROWS)
            if self.places is None:
                yield table.to_table(columns=names, offset=first, limit=last - first)
            else:
                yield table.take(self.places[first:last], columns=names)


def changed_places(lake: Lake, before: Snapshot, after: Snapshot) -> Iterator[np.ndarray]:
    """Places in `after` of rows that `before` has not, or has otherwise, a batch at a time."""
    old = at(lake, before).table(before.table)
    known = old.to_table(columns=["track_id"])["track_id"]
    names, place = Rows(lake, after).schema.names, 0
    for rows in Rows(lake, after).batches(0, after.tracks):
        kept = is_among(rows["track_id"], known).to_numpy()
        here = rows.filter(pa.array(kept))
        there = old.to_table(columns=names, filter=among("track_id", here["track_id"].to_pylist()))
        there = there.take(place_in(here["track_id"], there["track_id"]))
        changed = ~kept
        changed[kept] = unlike_rows(here.combine_chunks(), there.combine_chunks())
        yield place + np.flatnonzero(changed)
        place += len(rows)


def removed_tracks(lake: Lake, before: Snapshot, after: Snapshot) -> pa.Table:
    """Column track_id: what `before` holds and `after` does not, and every track that was taken down, sorted.

    That stands in no release any more; who took it from an earlier export is told to drop it.
    """
    old, new = (at(lake, one).table(one.table).to_table(columns=["track_id"])["track_id"] for one in (before, after))
    taken_down = pa.array(sorted(refused(lake).tracks), pa.string())
    gone = pc.unique(pa.chunked_array([*old.chunks, taken_down], pa.string()))
    gone = gone.filter(pc.invert(is_among(gone, new)))
    return pa.table({"track_id": gone.take(pc.sort_indices(gone))})


def unlike_rows(one: pa.Table, other: pa.Table) -> np.ndarray:
    """Row by row of two tables of one schema: does anything differ? Equal halves are settled at once. bool [N]"""
    unlike = np.zeros(len(one), bool)
    todo = [(0, len(one))]
    while todo:
        start, stop = todo.pop()
        if one.slice(start, stop - start).equals(other.slice(start, stop - start)):
            continue
        if stop - start == 1:
            unlike[start] = True
            continue
        middle = (start + stop) // 2
        todo += [(start, middle), (middle, stop)]
    return unlike
