"""Stale rows: search finds them, but their file has changed or cannot be read.

An unreachable disk must not empty a lake. So such a row stays until its track is embedded again or leaves its source,
or until a person accepts the loss: `tonelake refresh --accept-loss SOURCE`. The table `stale` says since when.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from lake.storage.arrow import index_in, is_in, same_version, string_column
from lake.storage.filters import in_clauses, select_in, string_literal
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas import clock
from schemas.embeddings import STALE
from schemas.encoders import EncoderSpec
from schemas.runs import CoverageError, Searchable
from schemas.tables import embeddings_table
from schemas.tracks import MISSING

TABLE = "stale"


class RowStates(NamedTuple):
    """The rows of a version.

    `stale` are the track_ids of the stale ones, `records` the rows of the table `stale`.
    """

    number: int
    counts: Searchable
    stale: pa.ChunkedArray
    records: pa.Table


def record_stale(lake: Lake, spec: EncoderSpec, lease: Lease) -> Searchable:
    """Bring the table of stale rows up to date for one version; return the counts.

    Raises CoverageError if the rows of the embeddings table are not the embedded and the stale ones.
    """
    rows = examine_rows(lake, spec)
    if rows.number != rows.counts.rows:
        raise CoverageError(f"{embeddings_table(spec)} has {rows.number} rows, due are {rows.counts}")
    recorded = rows.records["track_id"]
    new = rows.stale.filter(pc.invert(is_in(rows.stale, recorded)))
    ended = recorded.filter(pc.invert(is_in(recorded, rows.stale)))
    for condition in in_clauses("key", [_key(track, spec) for track in ended.to_pylist()]):
        table = lake.table(TABLE)
        lease.check()
        table.delete(condition)
    if not len(new):
        return rows.counts
    now = clock.now()
    columns = {
        "key": [_key(track, spec) for track in new.to_pylist()],
        "track_id": new,
        "embedding_version": pa.repeat(spec.embedding_version, len(new)),
        "since": pa.repeat(pa.scalar(now, STALE.field("since").type), len(new)),
    }
    lake.upsert(TABLE, STALE, pa.table(columns, schema=STALE), lease.check)
    return replace(rows.counts, since=rows.counts.since or now)


def count_searchable(lake: Lake, spec: EncoderSpec) -> Searchable:
    """Count the rows that search finds.

    The embedded ones are counted from the registry, the stale ones from the table.
    """
    return examine_rows(lake, spec).counts


def find_lost(lake: Lake, spec: EncoderSpec, stale: pa.ChunkedArray) -> pa.Table:
    """Return track_id and source of the stale rows whose file is missing or refused.

    The other stale rows are replaced by the next run.
    """
    columns = ["track_id", "source", "source_version"]
    tracks = lake.table("tracks").to_table(columns=columns, filter="state = 'active'")
    tracks = tracks.filter(is_in(tracks["track_id"], stale))
    lost = pc.equal(tracks["source_version"], MISSING)
    if (quarantine := lake.find_table("quarantine")) is not None:
        where = f"feature_version = {string_literal(spec.feature_version)}"
        refused = quarantine.to_table(columns=["track_id", "source_version"], filter=where)
        lost = pc.or_(lost, same_version(tracks, refused))
    return tracks.filter(lost).select(["track_id", "source"])


def stale_times(lake: Lake, spec: EncoderSpec, track_ids: Collection[str]) -> dict[str, datetime]:
    """Return since when the rows of these tracks are stale; fresh ones are left out."""
    table = lake.find_table(TABLE) if track_ids else None
    if table is None:
        return {}
    rows = select_in(table, "key", [_key(track, spec) for track in track_ids], ["track_id", "since"])
    return dict(zip(rows["track_id"].to_pylist(), rows["since"].to_pylist(), strict=True))


def read_stale(lake: Lake, spec: EncoderSpec) -> pa.Table:
    """Return the rows of the table `stale` of one version."""
    table = lake.find_table(TABLE)
    if table is None:
        return STALE.empty_table()
    return table.to_table(filter=f"embedding_version = {string_literal(spec.embedding_version)}")


def examine_rows(lake: Lake, spec: EncoderSpec) -> RowStates:
    """Compare the rows of a version with the registry."""
    table = lake.find_table(embeddings_table(spec))
    if table is None:
        return RowStates(0, Searchable(), string_column([]), STALE.empty_table())
    columns = ["track_id", "source_version"]
    registry = lake.table("tracks").to_table(columns=columns, filter="state = 'active'")
    rows = table.to_table(columns=[*columns, "tags_version"])
    current = rows.filter(pc.equal(rows["tags_version"], spec.tags_version))
    embedded = pc.sum(same_version(registry, current)).as_py() or 0
    is_embedded = pc.and_(same_version(rows, registry), pc.equal(rows["tags_version"], spec.tags_version))
    stale = rows["track_id"].filter(pc.invert(is_embedded))
    records = read_stale(lake, spec)
    since = pc.min(records["since"].take(index_in(stale, records["track_id"]).drop_null())).as_py()
    return RowStates(table.count_rows(), Searchable(embedded, len(stale), since), stale, records)


def _key(track_id: str, spec: EncoderSpec) -> str:
    return f"{track_id}@{spec.embedding_version}"
