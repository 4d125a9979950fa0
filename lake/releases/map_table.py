"""The table of a map: where each track of a version lies.

There is one table a version. It has the rows of every release that is kept, so that an earlier release can be shown
too. Readers show a row only if their release has the track, with the vector of the same file.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.encoders import list_encoder_versions
from lake.releases.releases import is_readable, list_releases, open_snapshot
from lake.storage.arrow import index_in, is_in
from lake.storage.filters import in_clauses
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.embeddings import MAP
from schemas.encoders import EncoderSpec
from schemas.tables import embeddings_table, map_table

PREFIX = "map__"


def read_map(lake: Lake, spec: EncoderSpec) -> pa.Table:
    """Return the rows of a version's map; none if there is no map."""
    table = lake.find_table(map_table(spec))
    return MAP.empty_table() if table is None else table.to_table(columns=MAP.names)


def match_positions(files: pa.Table, stored: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the row of each file in `stored`, and its position.

    They are int64 [N] and float32 [N, 2]. `files` have track_id and source_version. Where the map lacks the track, or
    has it with another file, the row is -1 and the position NaN.
    """
    rows = index_in(files["track_id"], stored["track_id"])
    same = pc.equal(stored["source_version"].combine_chunks().take(rows.combine_chunks()), files["source_version"])
    known_rows = pc.if_else(pc.fill_null(same, False), rows, -1).to_numpy().astype(np.int64)
    positions = np.full((len(files), 2), np.nan, np.float32)
    is_known = known_rows >= 0
    for axis, name in enumerate(("x", "y")):
        positions[is_known, axis] = stored[name].to_numpy()[known_rows[is_known]]
    return known_rows, positions


def write_map(lake: Lake, spec: EncoderSpec, lease: Lease, rows: pa.Table) -> None:
    """Merge rows into a version's map. Readers see all of them or none."""
    if len(rows):
        lake.upsert(map_table(spec), MAP, rows, lease.check)


def drop_unreleased(lake: Lake, name: str, lease: Lease | None = None) -> int:
    """Delete rows of tracks that no reader can see; return how many.

    Such tracks are neither in the version's table nor in a kept release. The caller holds the lease of the map.
    Without the embeddings table, nothing of a map can be shown: all rows go.
    """
    table = lake.find_table(name)
    if table is None:
        return 0
    track_ids = table.to_table(columns=["track_id"])["track_id"]
    surplus = track_ids.filter(pc.invert(is_in(track_ids, _shown_tracks(lake, name))))
    for condition in in_clauses("track_id", surplus.to_pylist()):
        if lease:
            lease.check()
        table.delete(condition)
    return len(surplus)


def _shown_tracks(lake: Lake, name: str) -> pa.ChunkedArray:
    """Return the ids of the tracks that some reader of the version may see."""
    specs = [version.spec for version in list_encoder_versions(lake) if map_table(version.spec) == name]
    chunks: list[pa.Array] = []
    for spec in specs:
        embedded = embeddings_table(spec)
        if (table := lake.find_table(embedded)) is None:
            continue
        chunks += table.to_table(columns=["track_id"])["track_id"].chunks
        snapshots = {release.snapshot for release in list_releases(lake) if release.snapshot.table == embedded}
        for snapshot in snapshots:
            if is_readable(lake, snapshot):
                chunks += (
                    open_snapshot(lake, snapshot).table(embedded).to_table(columns=["track_id"])["track_id"].chunks
                )
    return pa.chunked_array(chunks, pa.string())
