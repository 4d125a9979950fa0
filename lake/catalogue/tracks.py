"""The table `tracks`, the registry: what a listing of the sources changes in it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from lake.storage.arrow import any_differs, coalesce_columns, conform_to, index_in, is_in, with_column
from lake.storage.filters import in_clause, string_literal
from lake.storage.lake import Lake, LeaseCheck, check_nothing, without_index
from schemas.rights import RIGHTS_COLUMNS
from schemas.tracks import METADATA_COLUMNS, TRACKS

_COMPARED_COLUMNS = ("source", "uri", "source_version", "size", "state", *METADATA_COLUMNS)
_MISSING_COLUMNS = ["track_id", "source", "size", "state", "last_seen"]


@dataclass(frozen=True, slots=True)
class RegistryDiff:
    """Differences between a listing and the registry.

    `new` and `differing` are the rows to write; `before` has the registry's row for each row of `differing`.
    `missing` are registry rows, of any state, that were not listed.
    """

    new: pa.Table
    differing: pa.Table
    before: pa.Table
    missing: pa.Table


def register_tracks(lake: Lake, tracks: pa.Table, check: LeaseCheck = check_nothing) -> tuple[pa.Table, int]:
    """Write the new and changed rows of a listing, which is sorted by track_id.

    Return the rows as the registry has them now, and how many of them are new.
    """
    registered = lake.open_or_create("tracks", TRACKS).to_table(columns=TRACKS.names, filter=shard_filter(tracks))
    indices = index_in(tracks["track_id"], registered["track_id"])
    before = registered.take(indices)
    tracks = _merge(tracks, before)
    is_new = pc.is_null(indices)
    write_tracks(lake, tracks.filter(pc.or_(is_new, any_differs(tracks, before, _COMPARED_COLUMNS))), check)
    return tracks, pc.sum(is_new).as_py() or 0


def write_tracks(lake: Lake, tracks: pa.Table, check: LeaseCheck = check_nothing) -> None:
    """Insert or replace rows of the registry by track_id.

    Rows that lack columns only update the columns that they have.
    """
    if len(tracks):
        merge = lake.open_or_create("tracks", TRACKS).merge_insert("track_id").when_matched_update_all()
        merge = without_index(merge)  # several runs register tracks at once
        if tracks.schema.names == TRACKS.names:
            merge = merge.when_not_matched_insert_all()
        check()
        merge.execute(tracks)


def merge_with_registry(lake: Lake, tracks: pa.Table) -> pa.Table:
    """Return listed rows as the registry should have them, for a few registered tracks."""
    if not len(tracks):
        return tracks
    condition = in_clause("track_id", tracks["track_id"].to_pylist())
    registered = conform_to(lake.table("tracks").to_table(filter=condition), TRACKS)
    return _merge(tracks, registered.take(index_in(tracks["track_id"], registered["track_id"])))


def deactivate_source(lake: Lake, source: str, check: LeaseCheck = check_nothing) -> int:
    """Mark the active tracks of a source as removed; return their number.

    Runs no longer expect them, and searches no longer find them.
    """
    tracks = lake.find_table("tracks")
    if tracks is None:
        return 0
    where = f"source = {string_literal(source)} AND state = 'active'"
    count = tracks.count_rows(where)
    if count:
        check()
        tracks.update({"state": "'removed'"}, where=where)
    return count


def count_active_tracks(lake: Lake) -> dict[str, int]:
    """Return the number of active tracks of each source."""
    tracks = lake.table("tracks").to_table(columns=["source"], filter="state = 'active'")
    counts = tracks.group_by("source").aggregate([([], "count_all")])
    return dict(zip(counts["source"].to_pylist(), counts["count_all"].to_pylist(), strict=True))


def diff_registry(lake: Lake, tracks: pa.Table, rows: int) -> RegistryDiff:
    """Compare a whole listing, sorted by track_id, with the whole registry, `rows` at a time."""
    registry = lake.find_table("tracks")
    diffs = []
    for shard, where in _split(tracks, rows):
        # An earlier tonelake knew fewer columns, and a reader adds none.
        registered = conform_to(registry.to_table(filter=where), TRACKS) if registry else TRACKS.empty_table()
        indices = index_in(shard["track_id"], registered["track_id"])
        before = registered.take(indices)
        merged = _merge(shard, before)
        is_changed = pc.and_(pc.is_valid(indices), any_differs(merged, before, _COMPARED_COLUMNS))
        is_missing = pc.invert(is_in(registered["track_id"], shard["track_id"]))
        diffs.append(
            RegistryDiff(
                new=merged.filter(pc.is_null(indices)),
                differing=merged.filter(is_changed),
                before=before.filter(is_changed),
                missing=registered.select(_MISSING_COLUMNS).filter(is_missing),
            )
        )
    return RegistryDiff(
        new=pa.concat_tables([diff.new for diff in diffs]),
        differing=pa.concat_tables([diff.differing for diff in diffs]),
        before=pa.concat_tables([diff.before for diff in diffs]),
        missing=pa.concat_tables([diff.missing for diff in diffs]),
    )


def is_registered(lake: Lake, tracks: pa.Table) -> pa.ChunkedArray:
    """Tell for each track of a listing whether the registry has it."""
    registry = lake.find_table("tracks")
    if registry is None:
        return pa.chunked_array([pa.repeat(False, len(tracks))])
    registered = registry.to_table(columns=["track_id"], filter=shard_filter(tracks))
    return is_in(tracks["track_id"], registered["track_id"])


def active_tracks(lake: Lake) -> pa.Table:
    """Return the registry rows of the active tracks, sorted by track_id."""
    return lake.table("tracks").to_table(filter="state = 'active'").sort_by("track_id")


def shard_filter(tracks: pa.Table) -> str | None:
    """Return SQL that selects the same range of ids in another table.

    `tracks` is sorted by track_id.
    """
    if not len(tracks):
        return None
    first, last = (string_literal(tracks["track_id"][row].as_py()) for row in (0, len(tracks) - 1))
    return f"track_id >= {first} AND track_id <= {last}"


def _merge(tracks: pa.Table, before: pa.Table) -> pa.Table:
    """Return listed rows with the registry's added_at, and its metadata where the listing has none.

    `before` has the registry's row for each listed one, null if there is none.
    """
    tracks = with_column(tracks, "added_at", pc.coalesce(before["added_at"], tracks["added_at"]))
    metadata = coalesce_columns(before.select(METADATA_COLUMNS), tracks, METADATA_COLUMNS)
    for name in METADATA_COLUMNS:
        tracks = with_column(tracks, name, metadata[name])
    for name in RIGHTS_COLUMNS:
        tracks = with_column(tracks, name, _without_needless_marks(tracks[name], before[name]))
    return tracks


def _without_needless_marks(rights: pa.ChunkedArray, before: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return rights with null for empty values where no right was named before.

    So a right that is not null limits a track, or did once: `export --since` relies on it.
    """
    is_list = pa.types.is_list(rights.type)
    is_mark = pc.equal(pc.list_value_length(rights), 0) if is_list else pc.equal(rights, "")
    is_needless = pc.and_(pc.fill_null(is_mark, False), pc.is_null(before))
    return pc.if_else(is_needless, pa.scalar(None, rights.type), rights)


def _split(tracks: pa.Table, rows: int) -> Iterator[tuple[pa.Table, str | None]]:
    """Yield slices of a listing, each with the SQL of the registry's matching part.

    Together the parts cover the whole registry.
    """
    for start in range(0, max(1, len(tracks)), rows):
        bounds = []
        if start:
            bounds.append(f"track_id >= {string_literal(tracks['track_id'][start].as_py())}")
        if start + rows < len(tracks):
            bounds.append(f"track_id < {string_literal(tracks['track_id'][start + rows].as_py())}")
        yield tracks.slice(start, rows), " AND ".join(bounds) or None
