"""Synchronisation of embedded rows with the registry. No audio is read.

Each function finds what is left to do in the tables themselves, so the next call finishes a killed one.
"""

import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.tracks import shard_filter
from lake.storage.arrow import any_differs, coalesce_columns, index_in, is_in
from lake.storage.filters import in_clause, in_clauses
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.embeddings import SYNCED_COLUMNS, embeddings_schema
from schemas.encoders import EncoderSpec
from schemas.tables import embeddings_table, features_table, vanished_table, windows_table

CHUNK_ROWS = 8192


def sync_metadata(lake: Lake, spec: EncoderSpec, lease: Lease, tracks: pa.Table) -> int:
    """Copy title, artist, album, genres and year from the registry to the embeddings table.

    `tracks` are registry rows sorted by track_id. Null registry values keep what the file's own tags say. Returns the
    number of updated rows.
    """
    table = lake.find_table(embeddings_table(spec)) if len(tracks) else None
    if table is None:
        return 0
    rows = table.to_table(columns=["track_id", *SYNCED_COLUMNS], filter=shard_filter(tracks))
    metadata = tracks.select(SYNCED_COLUMNS).take(index_in(rows["track_id"], tracks["track_id"]))
    updated = coalesce_columns(rows, metadata, SYNCED_COLUMNS)
    changed = updated.filter(any_differs(updated, rows, SYNCED_COLUMNS))
    if len(changed):
        lease.check()
        table.merge_insert("track_id").when_matched_update_all().execute(changed)
    return len(changed)


def update_source_version(lake: Lake, spec: EncoderSpec, lease: Lease, unchanged: pa.Table) -> None:
    """Set the new source_version of files whose content has not changed.

    `unchanged` has the columns track_id, source_version and content_sha256. The searchable row is updated last.
    """
    if not len(unchanged):
        return
    names = lake.table_names()
    for rows_table in (vanished_table(spec), embeddings_table(spec)):
        if rows_table not in names:
            continue
        for start in range(0, len(unchanged), CHUNK_ROWS):
            chunk = unchanged.slice(start, CHUNK_ROWS)
            ids = in_clause("track_id", chunk["track_id"].to_pylist())
            rows = lake.table(rows_table).to_table(columns=chunk.column_names, filter=ids)
            current = chunk.take(index_in(rows["track_id"], chunk["track_id"]))
            stale = pc.and_(
                pc.equal(rows["content_sha256"], current["content_sha256"]),
                pc.not_equal(rows["source_version"], current["source_version"]),
            )
            for name in (windows_table(spec), features_table(spec), rows_table):
                if name in names and pc.any(stale, min_count=0).as_py():
                    _set_version(lake, name, lease, rows.filter(stale)["source_version"], current.filter(stale))


def _set_version(lake: Lake, name: str, lease: Lease, before: pa.ChunkedArray, current: pa.Table) -> None:
    """Set the source_version of `current` on rows that have the version `before`.

    Rows of any other version were computed from other content.
    """
    table = lake.table(name)
    ids = in_clause("track_id", current["track_id"].to_pylist())
    rows = table.to_table(["track_id", "source_version"], filter=ids)
    index = index_in(rows["track_id"], current["track_id"])
    rows = rows.filter(pc.equal(rows["source_version"], before.take(index)))
    updated = current.select(["track_id", "source_version"]).take(index_in(rows["track_id"], current["track_id"]))
    if len(updated):
        lease.check()
        table.merge_insert("track_id").when_matched_update_all().execute(updated)


def move_inactive(lake: Lake, spec: EncoderSpec, lease: Lease) -> int:
    """Move the rows of inactive tracks from the embeddings table to the vanished table.

    No search finds them there. Returns how many rows moved.
    """
    name = embeddings_table(spec)
    table = lake.find_table(name)
    if table is None:
        return 0
    inactive = lake.table("tracks").to_table(columns=["track_id"], filter="state != 'active'")["track_id"]
    if not len(inactive):
        return 0
    embedded = table.to_table(columns=["track_id"])["track_id"]
    leaving = embedded.filter(is_in(embedded, inactive)).to_pylist()
    for condition in in_clauses("track_id", leaving):
        rows = lake.table(name).to_table(filter=condition)
        lake.upsert(vanished_table(spec), embeddings_schema(spec), rows, lease.check)
        table = lake.table(name)
        lease.check()
        table.delete(condition)
    return len(leaving)


def drop_returned(lake: Lake, spec: EncoderSpec, lease: Lease) -> None:
    """Drop the vanished rows of tracks that are in the embeddings table again."""
    name = vanished_table(spec)
    table = lake.find_table(name)
    if table is None:
        return
    vanished = table.to_table(columns=["track_id"])["track_id"]
    if not len(vanished):
        return
    embedded = lake.table(embeddings_table(spec)).to_table(columns=["track_id"])["track_id"]
    returned = vanished.filter(is_in(vanished, embedded)).to_pylist()
    for condition in in_clauses("track_id", returned):
        table = lake.table(name)
        lease.check()
        table.delete(condition)
