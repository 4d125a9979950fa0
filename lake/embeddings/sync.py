"""Rows of embedded tracks follow the registry, without audio: names, versions of files, and who is in search at all.

Each step finds what is left to do in the tables themselves, so that a killed one is finished by the next.
"""

import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.tracks import shard_range
from lake.storage.arrow import any_unlike, filled, is_among, place_in
from lake.storage.filters import among, among_each
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.embeddings import NAMED_COLUMNS, embeddings_schema
from schemas.encoders import EncoderSpec
from schemas.tables import embeddings_table, features_table, vanished_table, windows_table

_AT_ONCE = 8192


def describe(lake: Lake, spec: EncoderSpec, lease: Lease, tracks: pa.Table) -> int:
    """What the registry says of tracks, sorted by track_id, into their embedded rows: those columns alone.

    Where the registry says nothing, what the file itself said stays. Returns how many rows were told anew.
    """
    if embeddings_table(spec) not in lake.names() or not len(tracks):
        return 0
    table = lake.table(embeddings_table(spec))
    rows = table.to_table(columns=["track_id", *NAMED_COLUMNS], filter=shard_range(tracks))
    said = tracks.select(NAMED_COLUMNS).take(place_in(rows["track_id"], tracks["track_id"]))
    told = filled(rows, said, NAMED_COLUMNS)
    changed = told.filter(any_unlike(told, rows, NAMED_COLUMNS))
    if len(changed):
        lease.check()
        table.merge_insert("track_id").when_matched_update_all().execute(changed)
    return len(changed)


def restamp(lake: Lake, spec: EncoderSpec, lease: Lease, same: pa.Table) -> None:
    """Gives rows the new version of a file whose content is what they were computed from.

    `same` has columns track_id, source_version and content_sha256. The row in search comes last.
    """
    names = lake.names()
    for rows_table in (vanished_table(spec), embeddings_table(spec)):
        if rows_table not in names:
            continue
        for start in range(0, len(same), _AT_ONCE):
            chunk = same.slice(start, _AT_ONCE)
            ids = among("track_id", chunk["track_id"].to_pylist())
            rows = lake.table(rows_table).to_table(columns=chunk.column_names, filter=ids)
            now = chunk.take(place_in(rows["track_id"], chunk["track_id"]))
            stale = pc.and_(
                pc.equal(rows["content_sha256"], now["content_sha256"]),
                pc.not_equal(rows["source_version"], now["source_version"]),
            )
            for name in (windows_table(spec), features_table(spec), rows_table):
                if name in names and pc.any(stale, min_count=0).as_py():
                    _restamped(lake, name, lease, rows.filter(stale)["source_version"], now.filter(stale))


def _restamped(lake: Lake, name: str, lease: Lease, before: pa.ChunkedArray, now: pa.Table) -> None:
    """Only rows at the version of before: others were computed from another content."""
    table = lake.table(name)
    rows = table.to_table(["track_id", "source_version"], filter=among("track_id", now["track_id"].to_pylist()))
    place = place_in(rows["track_id"], now["track_id"])
    rows = rows.filter(pc.equal(rows["source_version"], before.take(place)))
    now = now.select(["track_id", "source_version"]).take(place_in(rows["track_id"], now["track_id"]))
    if len(now):
        lease.check()
        table.merge_insert("track_id").when_matched_update_all().execute(now)


def shelve(lake: Lake, spec: EncoderSpec, lease: Lease) -> int:
    """Takes rows of tracks that are not active out of search and keeps them beside it; returns how many."""
    names, name, beside = lake.names(), embeddings_table(spec), vanished_table(spec)
    if name not in names:
        return 0
    inactive = lake.table("tracks").to_table(columns=["track_id"], filter="state != 'active'")["track_id"]
    keys = lake.table(name).to_table(columns=["track_id"])["track_id"]
    leaving = keys.filter(is_among(keys, inactive)).to_pylist()
    for chosen in among_each("track_id", leaving):
        lease.check()
        lake.upsert(beside, embeddings_schema(spec), lake.table(name).to_table(filter=chosen))
        lease.check()
        lake.table(name).delete(chosen)
    return len(leaving)


def give_up(lake: Lake, spec: EncoderSpec, lease: Lease) -> None:
    """Drops what was kept of tracks that are in search again."""
    beside = vanished_table(spec)
    if beside not in lake.names():
        return
    kept = lake.table(beside).to_table(columns=["track_id"])["track_id"]
    keys = lake.table(embeddings_table(spec)).to_table(columns=["track_id"])["track_id"]
    back = kept.filter(is_among(kept, keys)).to_pylist()
    for chosen in among_each("track_id", back):
        lease.check()
        lake.table(beside).delete(chosen)
