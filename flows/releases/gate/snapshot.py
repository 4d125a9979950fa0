"""Two snapshots to be judged: the candidate and what is live, read over the tracks that both heard alike."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from flows.console.progress import track_many
from lake.releases.releases import at
from lake.storage.arrow import alike, place_in
from lake.storage.lake import Lake
from lake.storage.vectors import BATCH_ROWS, batches_of, matrix
from schemas.encoders import EncoderSpec
from schemas.releases import Snapshot
from workers.metrics.neighbours import unit_rows


@dataclass(frozen=True, slots=True)
class Version:
    """A snapshot, the spec of its version, and the lake pinned to it."""

    snapshot: Snapshot
    spec: EncoderSpec
    lake: Lake

    @classmethod
    def of(cls, lake: Lake, snapshot: Snapshot, spec: EncoderSpec) -> "Version":
        return cls(snapshot, spec, at(lake, snapshot))

    def rows(self, columns: list[str], track_ids: pa.Array) -> pa.Table:
        """Those columns of those tracks, in the order of `track_ids`, all of which there are."""
        count = -(-self.snapshot.tracks // BATCH_ROWS)
        batches = batches_of(self.lake, self.snapshot.table, columns, track_ids)
        found = pa.Table.from_batches(list(track_many(batches, f"reading {self.snapshot.encoder}", count)))
        return found.take(place_in(track_ids, found["track_id"]))

    def vectors(self, track_ids: pa.Array) -> np.ndarray:
        """Unit rows float32 [N, dim] of those tracks."""
        return unit_rows(matrix(self.rows(["vector"], track_ids)["vector"]))

    def heard(self) -> pa.Table:
        """Each track and the content that it was embedded from."""
        table = self.lake.table(self.snapshot.table).to_table(columns=["track_id", "content_sha256"])
        return table.sort_by("track_id")


def heard_alike(before: Version | None, after: Version) -> pa.Table:
    """track_id and content_sha256 of the tracks that both embedded from the same content, sorted by track_id."""
    ours = after.heard()
    if before is None:
        return ours
    return ours.filter(alike(ours, before.heard(), "content_sha256"))
