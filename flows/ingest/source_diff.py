"""What a refresh would change: the registered sources compared with the registry. Writes nothing."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from flows.console.progress import with_progress
from flows.ingest.allowances import allowed_locations
from flows.ingest.refresh_report import SourceChanges
from lake.catalogue.identity import MoveCandidates, find_move_candidates, match_moved_files, with_permanent_ids
from lake.catalogue.sources import registered_sources
from lake.catalogue.tracks import RegistryDiff, count_active_tracks, diff_registry, merge_with_registry
from lake.sources.listing import Listing, list_source, merge_listings, source_name
from lake.storage.arrow import any_differs, index_in, is_in, string_column, with_column
from lake.storage.lake import Lake
from lake.takedowns.takedowns import drop_blocked, require_finished
from schemas.encoders import EncoderSpec
from schemas.errors import ManifestError, NotAllowed, UserError
from schemas.settings import S3Settings, Settings
from schemas.tracks import METADATA_COLUMNS, MISSING, TRACKS
from workers.audio.fetch import fetch
from workers.audio.verdicts import Rejected

HASH_THREADS = 4  # each reads one file, with at most 64 MB of memory

_SAME_CONTENT = pa.schema({name: pa.string() for name in ("track_id", "source_version", "content_sha256")})


@dataclass(frozen=True, slots=True)
class SourceDiff:
    """The difference between the registered sources and the registry.

    sources: source -> number of tracks listed there.
    rows: registry rows to write.
    vanished: rows to mark as vanished.
    aliases: path-derived id -> permanent id.
    same_content: tracks whose file has a new version or path, but the content that was embedded.
    warnings: lines of text about manifests.
    """

    sources: dict[str, int]
    rows: pa.Table
    vanished: pa.Table
    aliases: dict[str, str]
    same_content: pa.Table
    changes: SourceChanges
    skipped_names: tuple[str, ...]
    warnings: tuple[str, ...]
    listing_seconds: float
    planning_seconds: float


def compute_diff(lake: Lake, specs: list[EncoderSpec], accept_loss: tuple[str, ...], settings: Settings) -> SourceDiff:
    """List the registered sources, compare with the registry, and hash files that may have moved.

    `specs` are all versions in the lake. Raises UserError if a source cannot be listed or has lost too many of its
    tracks, unless `accept_loss` names it.
    """
    started = time.monotonic()
    accepted = frozenset(map(source_name, accept_loss))
    listing = _list_registered(lake, accepted, settings)
    listed = time.monotonic()

    tracks, new_ids = with_permanent_ids(lake, listing)
    tracks = drop_blocked(tracks, require_finished(lake))
    diff = _without_unlisted(diff_registry(lake, tracks, settings.shard_tracks), listing)
    candidates = find_move_candidates(lake, specs, diff, string_column(new_ids.values()))
    hashes = _hash_files(pa.concat_tables([candidates.touched, candidates.new]), settings.s3)
    moves = match_moved_files(candidates, diff.missing, hashes)

    is_active = pc.equal(diff.missing["state"], "active")
    is_moved = is_in(diff.missing["track_id"], string_column(moves.values()))
    vanished = diff.missing.filter(pc.and_not(is_active, is_moved))
    _require_few_lost(lake, diff, vanished, accepted, settings.lost_share)

    moved = _moved_rows(lake, diff, moves)
    is_new = pc.invert(is_in(diff.new["track_id"], string_column(moves)))
    rows = pa.concat_tables([diff.new.filter(is_new), moved, diff.differing]).sort_by("track_id")
    same_content = _with_same_content(candidates, hashes, moved, moves)
    changes = SourceChanges(
        listed=len(listing.tracks),
        skipped=listing.skipped,
        **_count_changes(diff, same_content, moves),
        vanished=len(vanished),
        hashed=len(hashes),
    )
    return SourceDiff(
        sources=listing.track_counts,
        rows=rows,
        vanished=_vanished_rows(lake, vanished),
        aliases=_aliases(new_ids, moves),
        same_content=same_content,
        changes=changes,
        skipped_names=listing.skipped_names,
        warnings=listing.warnings,
        listing_seconds=listed - started,
        planning_seconds=time.monotonic() - listed,
    )


def _without_unlisted(diff: RegistryDiff, listing: Listing) -> RegistryDiff:
    """Drop from `missing` the active tracks of sources that are not registered.

    These sources were not listed.
    """
    is_listed = is_in(diff.missing["source"], string_column(listing.track_counts))
    is_missing = pc.or_(is_listed, pc.not_equal(diff.missing["state"], "active"))
    return RegistryDiff(diff.new, diff.differing, diff.before, diff.missing.filter(is_missing))


def _list_registered(lake: Lake, accepted: frozenset[str], settings: Settings) -> Listing:
    sources = [registered.source for registered in registered_sources(lake)]
    if not sources:
        raise UserError(f"{lake.uri} has no sources: run `tonelake sources add SOURCE` first")
    if unknown := accepted.difference(sources):
        raise UserError(f"{lake.uri} has no source {min(unknown)}; its sources are: {', '.join(sources)}")
    listings, console = [], Console(stderr=True)
    for source in sources:
        try:
            with console.status(f"listing {source}"):  # shown only on a terminal
                listings.append(list_source(source, settings.s3, allowed_locations(source, settings)))
        except (NotAllowed, ManifestError):  # not a loss: a person decides what may be read, or corrects the lines
            raise
        except UserError as error:
            if source not in accepted:
                raise UserError(f"{error}. Nothing was changed; {_acceptance_hint(source)}") from error
            listings.append(Listing(TRACKS.empty_table(), 0, {source: 0}))
    return merge_listings(listings)


def _acceptance_hint(source: str) -> str:
    return f"if its tracks are gone for good: tonelake refresh --accept-loss {source}"


def _require_few_lost(
    lake: Lake, diff: RegistryDiff, vanished: pa.Table, accepted: frozenset[str], lost_share: float
) -> None:
    """Raise UserError if a source has lost more than `lost_share` of its tracks.

    An unmounted disk looks like an empty folder, or like a manifest whose files are all missing.
    """
    file_is_gone = pc.and_(
        pc.equal(diff.differing["source_version"], MISSING), pc.not_equal(diff.before["source_version"], MISSING)
    )
    lost = Counter(vanished["source"].to_pylist() + diff.before.filter(file_is_gone)["source"].to_pylist())
    if not lost:
        return
    active = count_active_tracks(lake)
    for source, number in sorted(lost.items()):
        if number > lost_share * active.get(source, 0) and source not in accepted:
            raise UserError(
                f"{source} has lost {number:,} of its {active.get(source, 0):,} tracks: is a disk not mounted? "
                f"Nothing was changed; {_acceptance_hint(source)}"
            )


def _hash_files(rows: pa.Table, s3: S3Settings) -> dict[str, str]:
    """Return track_id -> sha256 of the content, for files unchanged since the listing."""
    if not len(rows):
        return {}
    files = rows.select(["track_id", "uri", "source_version"]).to_pylist()
    with ThreadPoolExecutor(HASH_THREADS) as threads:
        hashes = threads.map(partial(_hash_file, s3=s3), files)
        hashes = with_progress(hashes, f"hashing {len(files):,} files whose content may be known")
        return {row["track_id"]: sha256 for row, sha256 in zip(files, hashes, strict=True) if sha256}


def _hash_file(row: dict[str, str], s3: S3Settings) -> str | None:
    try:
        with fetch(row["uri"], s3) as fetched:
            return fetched.content_sha256 if fetched.source_version == row["source_version"] else None
    except Rejected:
        return None
    except OSError as error:
        message = f"cannot read {row['uri']}: {error}. Nothing was changed; run the same command again"
        raise UserError(message) from error


def _moved_rows(lake: Lake, diff: RegistryDiff, moves: dict[str, str]) -> pa.Table:
    """Return the registry rows of moved tracks, sorted by the id of the new path."""
    path_ids = string_column(moves)
    rows = diff.new.filter(is_in(diff.new["track_id"], path_ids))
    permanent_ids = string_column(moves.values()).take(index_in(rows["track_id"], path_ids))
    return merge_with_registry(lake, with_column(rows, "track_id", permanent_ids))


def _aliases(new_ids: dict[str, str], moves: dict[str, str]) -> dict[str, str]:
    """Return path-derived id -> permanent id, of new files (`new_ids`) and of moved ones (`moves`).

    The keys of `moves` are permanent ids if the path-derived id already belonged to another track.
    """
    path_ids = {permanent_id: path_id for path_id, permanent_id in new_ids.items()}
    return new_ids | {path_ids.get(new_id, new_id): track_id for new_id, track_id in moves.items()}


def _with_same_content(
    candidates: MoveCandidates, hashes: dict[str, str], moved: pa.Table, moves: dict[str, str]
) -> pa.Table:
    """Return the tracks whose file is new, but has the content that was embedded."""
    known = candidates.known
    embedded = set(zip(known["track_id"].to_pylist(), known["content_sha256"].to_pylist(), strict=True))
    contents = hashes | {track_id: hashes[new_id] for new_id, track_id in moves.items()}
    rows = []
    for table in (candidates.touched, moved):
        for row in table.select(["track_id", "source_version"]).to_pylist():
            sha256 = contents.get(row["track_id"])
            if (row["track_id"], sha256) in embedded:
                rows.append(row | {"content_sha256": sha256})
    return pa.Table.from_pylist(rows, _SAME_CONTENT)


def _vanished_rows(lake: Lake, vanished: pa.Table) -> pa.Table:
    """Return the registry columns to write; `last_seen` is when the source was last listed."""
    listed_at = {registered.source: registered.last_listed_at for registered in registered_sources(lake)}
    times = pa.array(
        [listed_at.get(source) for source in vanished["source"].to_pylist()], TRACKS.field("last_seen").type
    )
    return pa.table(
        {
            "track_id": vanished["track_id"],
            "state": pa.repeat("vanished", len(vanished)),
            "last_seen": pc.coalesce(times, vanished["last_seen"]),
        }
    )


def _count_changes(diff: RegistryDiff, same_content: pa.Table, moves: dict[str, str]) -> dict[str, int]:
    """Count each kind of change. A track counts once, but "described" (new metadata) counts on top."""
    now, before = diff.differing, diff.before
    was_active = pc.equal(before["state"], "active")
    is_elsewhere = pc.not_equal(now["uri"], before["uri"])
    has_new_version = pc.not_equal(now["source_version"], before["source_version"])
    is_new_file = pc.and_(was_active, pc.or_(is_elsewhere, has_new_version))
    is_same_content = pc.and_(is_new_file, is_in(now["track_id"], same_content["track_id"]))
    return {
        "new": len(diff.new) - len(moves),
        "changed": _sum(is_new_file) - _sum(is_same_content),
        "touched": _sum(pc.and_not(is_same_content, is_elsewhere)),
        "moved": len(moves) + _sum(pc.and_(is_same_content, is_elsewhere)),
        "returned": len(now) - _sum(was_active),
        "described": _sum(any_differs(now, before, METADATA_COLUMNS)),
    }


def _sum(column: pa.ChunkedArray) -> int:
    return pc.sum(column).as_py() or 0
