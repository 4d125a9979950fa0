"""A file that moved is the track it was: which id a place has, and which new file is which missing track."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import count

import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.tracks import Difference
from lake.sources.listing import Listing
from lake.storage.arrow import is_among, place_in, strings, with_column
from lake.storage.filters import among, rows_among
from lake.storage.lake import Lake
from schemas.encoders import EncoderSpec
from schemas.sources import MOVES
from schemas.tables import embeddings_table, vanished_table
from schemas.tracks import local_path, track_id

TABLE = "moves"


@dataclass(frozen=True, slots=True)
class Candidates:
    """Files to be hashed, rows of the registry's columns, and what they may turn out to be.

    `touched` are files of registered tracks, `new` files of unknown ones; `known` has columns track_id and
    content_sha256, perhaps several a track: what was embedded of those tracks and of the missing ones.
    """

    touched: pa.Table
    new: pa.Table
    known: pa.Table


def identified(lake: Lake, listing: Listing) -> tuple[pa.Table, dict[str, str]]:
    """The tracks of a listing, sorted by track_id, under the ids that tracks of moved files kept.

    A new file in a place whose id has moved on gets an id of its own: the second answer, for `remember_moves`.
    """
    tracks = listing.tracks
    if TABLE not in lake.names():
        return tracks, {}
    moves = lake.table(TABLE).to_table()
    place = place_in(tracks["track_id"], moves["path_id"])
    moved = pc.is_valid(place)
    ids = pc.coalesce(moves["track_id"].take(place), tracks["track_id"])
    elsewhere = _elsewhere(lake, tracks["track_id"].filter(is_among(tracks["track_id"], moves["track_id"])), listing)
    held = pc.or_(is_among(tracks["track_id"], ids.filter(moved)), is_among(tracks["track_id"], elsewhere))
    taken = pc.and_not(held, moved)
    names = tracks["track_id"].filter(taken)
    own = _free_ids(names.to_pylist(), set(moves["track_id"].to_pylist()))
    given = strings(own.values()).take(place_in(tracks["track_id"], names))
    return with_column(tracks, "track_id", pc.coalesce(given, ids)).sort_by("track_id"), own


def _elsewhere(lake: Lake, ids: pa.ChunkedArray, listing: Listing) -> pa.ChunkedArray:
    """Of tracks that have moved, those whose source nobody looked into now: they may well be there."""
    if not len(ids) or "tracks" not in lake.names():
        return ids.slice(0, 0)
    known = lake.table("tracks").to_table(columns=["track_id", "source"], filter=among("track_id", ids.to_pylist()))
    sources = strings(listing.found)
    return known["track_id"].filter(pc.invert(is_among(known["source"], sources)))


def _free_ids(names: list[str], used: set[str]) -> dict[str, str]:
    """For each place's id that another track has, one of its own."""
    tries = {name: (track_id(name, str(number)) for number in count(2)) for name in names}
    return {name: next(one for one in tries[name] if one not in used) for name in names}


def remember_moves(lake: Lake, moves: dict[str, str]) -> None:
    """From now on the place that had the first id has the second. An id has one place: earlier ones are given up."""
    if not moves:
        return
    lake.ensure(TABLE, MOVES).delete(among("track_id", moves.values()))
    rows = {"path_id": list(moves), "track_id": list(moves.values())}
    lake.upsert(TABLE, MOVES, pa.table(rows, schema=MOVES))


def candidates(lake: Lake, specs: list[EncoderSpec], found: Difference, own: pa.ChunkedArray) -> Candidates:
    """What is worth a hash: files whose size is that of their track, or of a missing one, whose content is known.

    `own` are ids that new files were given as the ids of their places have moved on.
    """
    rows, before = found.differing, found.before
    moved = pc.or_(
        pc.not_equal(rows["source_version"], before["source_version"]), pc.not_equal(rows["uri"], before["uri"])
    )
    touched = rows.filter(pc.fill_null(pc.and_(moved, pc.equal(rows["size"], before["size"])), False))
    missing = found.missing.filter(is_among(found.missing["size"], found.new["size"]))
    known = _contents(lake, specs, [*touched["track_id"].to_pylist(), *missing["track_id"].to_pylist()])
    missing = missing.filter(is_among(missing["track_id"], known["track_id"]))
    new = found.new.filter(pc.and_(pc.is_valid(found.new["size"]), is_among(found.new["size"], missing["size"])))
    places = zip(new["track_id"].to_pylist(), new["uri"].to_pylist(), strict=True)
    return Candidates(
        touched.filter(is_among(touched["track_id"], known["track_id"])),
        new.filter(
            pc.or_(pa.array([_named_by_place(*place) for place in places], pa.bool_()), is_among(new["track_id"], own))
        ),
        known,
    )


def matched(found: Candidates, missing: pa.Table, hashes: dict[str, str]) -> dict[str, str]:
    """Ids that new files have by their place -> ids of the missing tracks that they are; `hashes` by track_id.

    Each missing track is found once, an active one before one that vanished earlier.
    """
    states = dict(zip(missing["track_id"].to_pylist(), missing["state"].to_pylist(), strict=True))
    owners: dict[str, list[str]] = defaultdict(list)
    for row in found.known.to_pylist():
        if row["track_id"] in states:
            owners[row["content_sha256"]].append(row["track_id"])
    moves: dict[str, str] = {}
    gone: set[str] = set()
    for name in found.new["track_id"].to_pylist():
        free = sorted(
            (states[owner] != "active", owner) for owner in owners[hashes.get(name, "")] if owner not in gone
        )
        if free:
            moves[name] = free[0][1]
            gone.add(free[0][1])
    return moves


def _contents(lake: Lake, specs: list[EncoderSpec], ids: list[str]) -> pa.Table:
    """What was embedded of tracks, by any version, whether they are in search or not."""
    names = lake.names()
    columns = ["track_id", "content_sha256"]
    tables = [name for spec in specs for name in (embeddings_table(spec), vanished_table(spec)) if name in names]
    found = [rows_among(lake.table(name), "track_id", ids, columns) for name in tables]
    empty = pa.schema({name: pa.string() for name in columns}).empty_table()
    return pa.concat_tables([empty, *(one.cast(empty.schema) for one in found)]).group_by(columns).aggregate([])


def _named_by_place(name: str, uri: str) -> bool:
    """Not an id that a manifest gave."""
    folder, _, file = local_path(uri).rpartition("/")
    return name == track_id(folder, file)
