"""The snapshots that the gate compares: the candidate's and the live release's."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa

from flows.console.progress import with_progress_if_long
from lake.releases.releases import open_snapshot
from lake.storage.arrow import index_in, same_version
from lake.storage.lake import Lake
from lake.storage.vectors import BATCH_ROWS, read_batches, to_matrix
from schemas.encoders import EncoderSpec
from schemas.releases import Snapshot
from workers.metrics.neighbours import unit_rows


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """A snapshot, the spec of its version, and the lake pinned to it."""

    snapshot: Snapshot
    spec: EncoderSpec
    lake: Lake

    @classmethod
    def open(cls, lake: Lake, snapshot: Snapshot, spec: EncoderSpec) -> Self:
        """Pin the lake to the snapshot."""
        return cls(snapshot, spec, open_snapshot(lake, snapshot))

    def rows(self, columns: list[str], track_ids: pa.Array) -> pa.Table:
        """Return columns of tracks in the order of `track_ids`, which must all exist."""
        count = -(-self.snapshot.tracks // BATCH_ROWS)
        batches = read_batches(self.lake, self.snapshot.table, columns, track_ids)
        rows = pa.Table.from_batches(list(with_progress_if_long(batches, f"reading {self.snapshot.encoder}", count)))
        return rows.take(index_in(track_ids, rows["track_id"]))

    def vectors(self, track_ids: pa.Array) -> np.ndarray:
        """Return the unit vectors of tracks, float32 [N, dim]."""
        return unit_rows(to_matrix(self.rows(["vector"], track_ids)["vector"]))

    def track_contents(self) -> pa.Table:
        """Return track_id and content_sha256 of each track, sorted by track_id.

        The content is what the track was embedded from.
        """
        table = self.lake.table(self.snapshot.table).to_table(columns=["track_id", "content_sha256"])
        return table.sort_by("track_id")


def common_tracks(live: SnapshotView | None, candidate: SnapshotView) -> pa.Table:
    """Return the tracks that both embedded from the same content.

    Columns track_id and content_sha256, sorted by track_id. Without a live release: all tracks of the candidate.
    """
    tracks = candidate.track_contents()
    if live is None:
        return tracks
    return tracks.filter(same_version(tracks, live.track_contents(), "content_sha256"))
