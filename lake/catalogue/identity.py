"""The identity of moved files: a track keeps its id when its file moves.

The table `track_aliases` maps path_id, the id derived from a path, to the permanent id of the track that lies there.
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import count

import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.tracks import RegistryDiff
from lake.sources.listing import Listing
from lake.storage.arrow import index_in, is_in, string_column, with_column
from lake.storage.filters import in_clause, select_in
from lake.storage.lake import Lake, LeaseCheck, check_nothing
from lake.storage.old_forms import read_table
from schemas.encoders import EncoderSpec
from schemas.sources import TRACK_ALIASES
from schemas.tables import embeddings_table, vanished_table
from schemas.tracks import local_path, track_id

TABLE = "track_aliases"


@dataclass(frozen=True, slots=True)
class MoveCandidates:
    """Files to hash: perhaps files of known tracks that moved or did not change.

    `touched` are registry rows of known tracks, `new` those of unknown ones. `known` has the columns track_id and
    content_sha256: what was embedded of the touched and the missing tracks, perhaps several contents a track.
    """

    touched: pa.Table
    new: pa.Table
    known: pa.Table


def with_permanent_ids(lake: Lake, listing: Listing) -> tuple[pa.Table, dict[str, str]]:
    """Return the tracks of a listing under their permanent ids, sorted, and new aliases.

    A new file may lie at a path whose id a moved track has kept. It gets a new id: the aliases map the id of the path
    to it, for `add_aliases`.
    """
    tracks = listing.tracks
    aliases = read_table(lake, TABLE, TRACK_ALIASES)
    if not len(aliases):
        return tracks, {}
    path_ids = tracks["track_id"]
    indices = index_in(path_ids, aliases["path_id"])
    has_alias = pc.is_valid(indices)
    permanent_ids = pc.coalesce(aliases["track_id"].take(indices), path_ids)
    unlisted_ids = _ids_in_unlisted_sources(lake, path_ids.filter(is_in(path_ids, aliases["track_id"])), listing)
    is_used = pc.or_(is_in(path_ids, permanent_ids.filter(has_alias)), is_in(path_ids, unlisted_ids))
    conflicting_ids = path_ids.filter(pc.and_not(is_used, has_alias))
    new_aliases = _free_ids(conflicting_ids.to_pylist(), set(aliases["track_id"].to_pylist()))
    new_ids = string_column(new_aliases.values()).take(index_in(path_ids, conflicting_ids))
    return with_column(tracks, "track_id", pc.coalesce(new_ids, permanent_ids)).sort_by("track_id"), new_aliases


def _ids_in_unlisted_sources(lake: Lake, ids: pa.ChunkedArray, listing: Listing) -> pa.ChunkedArray:
    """Return those ids whose source is not in this listing. Their files may still exist."""
    tracks = lake.find_table("tracks") if len(ids) else None
    if tracks is None:
        return ids.slice(0, 0)
    where = in_clause("track_id", ids.to_pylist())
    registered = tracks.to_table(columns=["track_id", "source"], filter=where)
    listed = is_in(registered["source"], string_column(listing.track_counts))
    return registered["track_id"].filter(pc.invert(listed))


def _free_ids(path_ids: list[str], used: set[str]) -> dict[str, str]:
    """Return an unused id for each path id, derived from it and a number."""
    attempts = {path_id: (track_id(path_id, str(number)) for number in count(2)) for path_id in path_ids}
    return {path_id: next(new for new in attempts[path_id] if new not in used) for path_id in path_ids}


def add_aliases(lake: Lake, aliases: dict[str, str], check: LeaseCheck = check_nothing) -> None:
    """Write aliases, path id -> permanent id. An earlier alias of the same permanent id is removed."""
    if not aliases:
        return
    table = lake.open_or_create(TABLE, TRACK_ALIASES)
    check()
    table.delete(in_clause("track_id", aliases.values()))
    rows = {"path_id": list(aliases), "track_id": list(aliases.values())}
    lake.upsert(TABLE, TRACK_ALIASES, pa.table(rows, schema=TRACK_ALIASES), check)


def find_move_candidates(
    lake: Lake, specs: list[EncoderSpec], diff: RegistryDiff, new_ids: pa.ChunkedArray
) -> MoveCandidates:
    """Return the files that are worth a hash.

    Their size is that of their own track or of a missing one, and the content of that track is known. `new_ids` are
    the ids that `with_permanent_ids` made.
    """
    rows, before = diff.differing, diff.before
    changed = pc.or_(
        pc.not_equal(rows["source_version"], before["source_version"]), pc.not_equal(rows["uri"], before["uri"])
    )
    touched = rows.filter(pc.fill_null(pc.and_(changed, pc.equal(rows["size"], before["size"])), False))
    missing = diff.missing.filter(is_in(diff.missing["size"], diff.new["size"]))
    known = _embedded_contents(lake, specs, [*touched["track_id"].to_pylist(), *missing["track_id"].to_pylist()])
    missing = missing.filter(is_in(missing["track_id"], known["track_id"]))
    new = diff.new.filter(pc.and_(pc.is_valid(diff.new["size"]), is_in(diff.new["size"], missing["size"])))
    path_derived = map(_is_path_derived, new["track_id"].to_pylist(), new["uri"].to_pylist())
    return MoveCandidates(
        touched.filter(is_in(touched["track_id"], known["track_id"])),
        new.filter(pc.or_(pa.array(list(path_derived), pa.bool_()), is_in(new["track_id"], new_ids))),
        known,
    )


def match_moved_files(candidates: MoveCandidates, missing: pa.Table, hashes: dict[str, str]) -> dict[str, str]:
    """Return which new files are missing tracks, as path id -> track_id.

    `hashes` is content_sha256 by track_id. Each missing track is matched once, active ones before those that vanished
    earlier.
    """
    states = dict(zip(missing["track_id"].to_pylist(), missing["state"].to_pylist(), strict=True))
    owners: dict[str, list[str]] = defaultdict(list)
    for row in candidates.known.to_pylist():
        if row["track_id"] in states:
            owners[row["content_sha256"]].append(row["track_id"])
    aliases: dict[str, str] = {}
    matched: set[str] = set()
    for path_id in candidates.new["track_id"].to_pylist():
        free = [owner for owner in owners[hashes.get(path_id, "")] if owner not in matched]
        if free:
            aliases[path_id] = min(free, key=lambda owner: (states[owner] != "active", owner))
            matched.add(aliases[path_id])
    return aliases


def _embedded_contents(lake: Lake, specs: list[EncoderSpec], ids: list[str]) -> pa.Table:
    """Return track_id and content_sha256 of all that was embedded of these tracks.

    Active and vanished rows of every version count.
    """
    columns = ["track_id", "content_sha256"]
    schema = pa.schema({name: pa.string() for name in columns})
    names = [name for spec in specs for name in (embeddings_table(spec), vanished_table(spec))]
    tables = [table for table in map(lake.find_table, names) if table is not None]
    parts = [select_in(table, "track_id", ids, columns).cast(schema) for table in tables]
    return pa.concat_tables([schema.empty_table(), *parts]).group_by(columns).aggregate([])


def _is_path_derived(name: str, uri: str) -> bool:
    """Tell whether the id was derived from the path; a manifest may give others."""
    folder, _, file = local_path(uri).rpartition("/")
    return name == track_id(folder, file)
