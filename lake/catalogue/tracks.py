"""The registry of tracks beside a listing of their sources: what differs, and how it is written."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from lake.storage.arrow import any_unlike, filled, is_among, place_in, with_column
from lake.storage.filters import among, quoted
from lake.storage.lake import Lake
from schemas.tracks import DESCRIPTION_COLUMNS, TRACKS

_TOLD = ("source", "uri", "source_version", "size", "state", *DESCRIPTION_COLUMNS)
_MISSING_COLUMNS = ["track_id", "source", "size", "state", "last_seen"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Of a listing and the registry. `new` and `differing` are rows to be written.

    `before` has what the registry says of each row of `differing`. `missing` are registry rows, of any state, that
    were not listed.
    """

    new: pa.Table
    differing: pa.Table
    before: pa.Table
    missing: pa.Table


def register(lake: Lake, tracks: pa.Table) -> tuple[pa.Table, int]:
    """Writes what a listing, sorted by track_id, says otherwise than the registry.

    Returns the rows as the registry has them now, and how many of them are new to it.
    """
    known = lake.ensure("tracks", TRACKS).to_table(columns=TRACKS.names, filter=shard_range(tracks))
    place = place_in(tracks["track_id"], known["track_id"])
    tracks = _merged(tracks, known.take(place))
    new = pc.is_null(place)
    write(lake, tracks.filter(pc.or_(new, any_unlike(tracks, known.take(place), _TOLD))))
    return tracks, pc.sum(new).as_py() or 0


def write(lake: Lake, tracks: pa.Table) -> None:
    """Rows of the registry, or some of their columns: track_id decides which they are."""
    if len(tracks):
        merge = lake.ensure("tracks", TRACKS).merge_insert("track_id").when_matched_update_all()
        whole = tracks.schema.names == TRACKS.names
        (merge.when_not_matched_insert_all() if whole else merge).execute(tracks)


def continued(lake: Lake, tracks: pa.Table) -> pa.Table:
    """Rows of a listing as the registry is to have them, for a few tracks that it knows."""
    if not len(tracks):
        return tracks
    known = lake.table("tracks").to_table(filter=among("track_id", tracks["track_id"].to_pylist()))
    return _merged(tracks, known.take(place_in(tracks["track_id"], known["track_id"])))


def forget(lake: Lake, source: str) -> int:
    """The active tracks of a source are forgotten: not expected, not found. Returns how many they were."""
    if "tracks" not in lake.names():
        return 0
    mine = f"source = {quoted(source)} AND state = 'active'"
    tracks = lake.table("tracks")
    number = tracks.count_rows(mine)
    if number:
        tracks.update({"state": "'forgotten'"}, where=mine)
    return number


def active_counts(lake: Lake) -> dict[str, int]:
    """How many active tracks the registry has of each source."""
    tracks = lake.table("tracks").to_table(columns=["source"], filter="state = 'active'")
    counted = tracks.group_by("source").aggregate([([], "count_all")])
    return dict(zip(counted["source"].to_pylist(), counted["count_all"].to_pylist(), strict=True))


def differences(lake: Lake, tracks: pa.Table, rows: int) -> Difference:
    """A whole listing, sorted by track_id, beside the whole registry; `rows` of it at once."""
    registry = lake.table("tracks") if "tracks" in lake.names() else None
    found = []
    for shard, where in _ranges(tracks, rows):
        known = registry.to_table(columns=TRACKS.names, filter=where) if registry else TRACKS.empty_table()
        place = place_in(shard["track_id"], known["track_id"])
        before = known.take(place)
        merged = _merged(shard, before)
        differing = pc.and_(pc.is_valid(place), any_unlike(merged, before, _TOLD))
        gone = pc.invert(is_among(known["track_id"], shard["track_id"]))
        found.append(
            Difference(
                merged.filter(pc.is_null(place)),
                merged.filter(differing),
                before.filter(differing),
                known.select(_MISSING_COLUMNS).filter(gone),
            )
        )
    parts = ("new", "differing", "before", "missing")
    return Difference(*(pa.concat_tables([getattr(one, part) for one in found]) for part in parts))


def known(lake: Lake, tracks: pa.Table) -> pa.ChunkedArray:
    """For each track of a listing: does the registry have it?"""
    if "tracks" not in lake.names():
        return pa.chunked_array([pa.repeat(False, len(tracks))])
    there = lake.table("tracks").to_table(columns=["track_id"], filter=shard_range(tracks))
    return is_among(tracks["track_id"], there["track_id"])


def active_tracks(lake: Lake) -> pa.Table:
    """Registry rows of the tracks that the lake holds now, sorted by track_id."""
    return lake.table("tracks").to_table(filter="state = 'active'").sort_by("track_id")


def shard_range(tracks: pa.Table) -> str | None:
    """SQL that reads only a shard's part of another table: `tracks` is sorted by track_id."""
    if not len(tracks):
        return None
    first, last = (quoted(tracks["track_id"][row].as_py()) for row in (0, len(tracks) - 1))
    return f"track_id >= {first} AND track_id <= {last}"


def _merged(tracks: pa.Table, before: pa.Table) -> pa.Table:
    """A listing with what the registry said before: when a track came, and what a folder cannot say of it."""
    tracks = with_column(tracks, "added_at", pc.coalesce(before["added_at"], tracks["added_at"]))
    told = filled(before.select(DESCRIPTION_COLUMNS), tracks, DESCRIPTION_COLUMNS)
    for name in DESCRIPTION_COLUMNS:
        tracks = with_column(tracks, name, told[name])
    return tracks


def _ranges(tracks: pa.Table, rows: int) -> Iterator[tuple[pa.Table, str | None]]:
    """Slices of a listing and the SQL of the registry's part beside each: together they cover all of it."""
    for start in range(0, max(1, len(tracks)), rows):
        bounds = []
        if start:
            bounds.append(f"track_id >= {quoted(tracks['track_id'][start].as_py())}")
        if start + rows < len(tracks):
            bounds.append(f"track_id < {quoted(tracks['track_id'][start + rows].as_py())}")
        yield tracks.slice(start, rows), " AND ".join(bounds) or None
