"""What a refresh would change: every remembered source listed and compared with the registry. Writes nothing."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from flows.console.progress import track
from lake.catalogue.identity import Candidates, candidates, identified, matched
from lake.catalogue.sources import remembered
from lake.catalogue.tracks import Difference, active_counts, continued, differences
from lake.sources.listing import Listing, joined, list_source, source_name
from lake.storage.arrow import any_unlike, is_among, place_in, strings, with_column
from lake.storage.lake import Lake
from lake.takedowns.takedowns import admitted, require_finished
from schemas.encoders import EncoderSpec
from schemas.errors import NotAllowed, UserError
from schemas.settings import S3Settings, Settings
from schemas.tracks import DESCRIPTION_COLUMNS, MISSING, TRACKS
from workers.audio.fetch import fetch
from workers.audio.verdicts import Rejected

HASHED_AT_ONCE = 4  # files read at the same time, at most 64 MB of memory each

_SAME = pa.schema({name: pa.string() for name in ("track_id", "source_version", "content_sha256")})


@dataclass(frozen=True, slots=True)
class Survey:
    """`rows` of the registry to be written and `vanished` ones to be left; `moves` are ids by place -> ids kept.

    `same` are tracks whose file is another version of the same content. `counts` says it in numbers.
    """

    found: dict[str, int | None]
    rows: pa.Table
    vanished: pa.Table
    moves: dict[str, str]
    same: pa.Table
    counts: dict[str, int]
    listing_seconds: float
    planning_seconds: float

    def told(self) -> dict[str, Any]:
        """For people and programs."""
        seconds = {name: round(getattr(self, name), 1) for name in ("listing_seconds", "planning_seconds")}
        return {"sources": list(self.found), **self.counts, **seconds}


def survey(lake: Lake, specs: list[EncoderSpec], accept_loss: tuple[str, ...], settings: Settings) -> Survey:
    """Lists, compares, and hashes the few files that may have moved; `specs` are all versions the lake holds.

    UserError where a source cannot be listed or has lost too many of its tracks, unless that loss is accepted.
    """
    started = time.monotonic()
    accepted = frozenset(map(source_name, accept_loss))
    listing = _listed(lake, accepted, settings)
    listed = time.monotonic()
    tracks, own = identified(lake, listing)
    tracks = admitted(tracks, require_finished(lake))
    found = _of_sources(differences(lake, tracks, settings.shard_tracks), listing)
    some = candidates(lake, specs, found, strings(own.values()))
    hashes = _hashes(pa.concat_tables([some.touched, some.new]), settings.s3)
    moves = matched(some, found.missing, hashes)
    still = pc.invert(is_among(found.missing["track_id"], strings(moves.values())))
    gone = found.missing.filter(pc.and_(pc.equal(found.missing["state"], "active"), still))
    _require_few_lost(lake, found, gone, accepted, settings.lost_share)
    moved = _moved(lake, found, moves)
    stayed = pc.invert(is_among(found.new["track_id"], strings(moves)))
    rows = pa.concat_tables([found.new.filter(stayed), moved, found.differing]).sort_by("track_id")
    same = _same(some, hashes, moved, moves)
    counts = {"listed": len(listing.tracks), "skipped": listing.skipped, **_counts(found, same, moves)}
    counts |= {"vanished": len(gone), "hashed": len(hashes)}
    times = listed - started, time.monotonic() - listed
    places = {given: place for place, given in own.items()}
    remembered_as = own | {places.get(name, name): kept for name, kept in moves.items()}
    return Survey(listing.found, rows, _left(lake, gone), remembered_as, same, counts, *times)


def _of_sources(found: Difference, listing: Listing) -> Difference:
    """Active tracks of sources that are not remembered are not missing: nobody looked for them."""
    looked_for = is_among(found.missing["source"], strings(listing.found))
    held = pc.or_(looked_for, pc.not_equal(found.missing["state"], "active"))
    return Difference(found.new, found.differing, found.before, found.missing.filter(held))


def _listed(lake: Lake, accepted: frozenset[str], settings: Settings) -> Listing:
    sources = [row["source"] for row in remembered(lake)]
    if not sources:
        raise UserError(f"{lake.uri} remembers no source: `tonelake sources add SOURCE` first")
    if unknown := accepted.difference(sources):
        raise UserError(f"{lake.uri} remembers no source {min(unknown)}; it remembers {', '.join(sources)}")
    listings, console = [], Console(stderr=True)
    for source in sources:
        try:
            with console.status(f"listing {source}"):  # silent but on a terminal
                listings.append(list_source(source, settings.s3, settings.allow_outside))
        except NotAllowed:  # no loss: a person decides what may be read
            raise
        except UserError as error:
            if source not in accepted:
                raise UserError(f"{error}. Nothing was changed; {_accept(source)}") from error
            listings.append(Listing(TRACKS.empty_table(), 0, {source: 0}))
    return joined(listings)


def _accept(source: str) -> str:
    return f"if its tracks are gone for good: tonelake refresh --accept-loss {source}"


def _require_few_lost(lake: Lake, found: Difference, gone: pa.Table, accepted: frozenset[str], most: float) -> None:
    """An unmounted disk looks like an empty folder, or like a manifest of which no file is there."""
    absent = pc.and_(
        pc.equal(found.differing["source_version"], MISSING), pc.not_equal(found.before["source_version"], MISSING)
    )
    lost = Counter(gone["source"].to_pylist() + found.before.filter(absent)["source"].to_pylist())
    if not lost:
        return
    had = active_counts(lake)
    for source, number in sorted(lost.items()):
        if number > most * had.get(source, 0) and source not in accepted:
            raise UserError(
                f"{source} has lost {number:,} of its {had.get(source, 0):,} tracks: is a disk not mounted? "
                f"Nothing was changed; {_accept(source)}"
            )


def _hashes(rows: pa.Table, s3: S3Settings) -> dict[str, str]:
    """The content of files by track_id, as far as they are still what was listed."""
    if not len(rows):
        return {}
    asked = rows.select(["track_id", "uri", "source_version"]).to_pylist()
    with ThreadPoolExecutor(HASHED_AT_ONCE) as threads:
        answers = track(threads.map(partial(_hash, s3=s3), asked), f"reading {len(asked):,} files that may be known")
        return {row["track_id"]: sha for row, sha in zip(asked, answers, strict=True) if sha}


def _hash(row: dict[str, str], s3: S3Settings) -> str | None:
    try:
        with fetch(row["uri"], s3) as fetched:
            return fetched.content_sha256 if fetched.source_version == row["source_version"] else None
    except Rejected:
        return None
    except OSError as error:
        message = f"cannot read {row['uri']}: {error}. Nothing was changed; run the same command again"
        raise UserError(message) from error


def _moved(lake: Lake, found: Difference, moves: dict[str, str]) -> pa.Table:
    """Registry rows of missing tracks that were found in a new place, sorted by that place's id."""
    places = strings(moves)
    rows = found.new.filter(is_among(found.new["track_id"], places))
    kept = strings(moves.values()).take(place_in(rows["track_id"], places))
    return continued(lake, with_column(rows, "track_id", kept))


def _same(some: Candidates, hashes: dict[str, str], moved: pa.Table, moves: dict[str, str]) -> pa.Table:
    """Tracks whose file is new in place or version, but has the content that they were embedded from."""
    known = set(zip(some.known["track_id"].to_pylist(), some.known["content_sha256"].to_pylist(), strict=True))
    contents = hashes | {name: hashes[place] for place, name in moves.items()}
    both = [table.select(["track_id", "source_version"]) for table in (some.touched, moved)]
    rows = [row | {"content_sha256": contents.get(row["track_id"])} for row in pa.concat_tables(both).to_pylist()]
    return pa.Table.from_pylist([row for row in rows if (row["track_id"], row["content_sha256"]) in known], _SAME)


def _left(lake: Lake, gone: pa.Table) -> pa.Table:
    """Registry columns of tracks that vanished; they were last seen when their source was last listed."""
    listed = {row["source"]: row["last_listed_at"] for row in remembered(lake)}
    sources, stamp = gone["source"].to_pylist(), TRACKS.field("last_seen").type
    seen = pc.coalesce(pa.array([listed.get(source) for source in sources], stamp), gone["last_seen"])
    return pa.table({"track_id": gone["track_id"], "state": pa.repeat("vanished", len(gone)), "last_seen": seen})


def _counts(found: Difference, same: pa.Table, moves: dict[str, str]) -> dict[str, int]:
    """A track is in one of them; `described` counts apart those of which a manifest says something else."""
    now, before = found.differing, found.before
    active = pc.equal(before["state"], "active")
    elsewhere = pc.not_equal(now["uri"], before["uri"])
    another = pc.and_(active, pc.or_(elsewhere, pc.not_equal(now["source_version"], before["source_version"])))
    kept = pc.and_(another, is_among(now["track_id"], same["track_id"]))
    return {
        "new": len(found.new) - len(moves),
        "changed": _sum(another) - _sum(kept),
        "touched": _sum(pc.and_not(kept, elsewhere)),
        "moved": len(moves) + _sum(pc.and_(kept, elsewhere)),
        "returned": len(now) - _sum(active),
        "described": _sum(any_unlike(now, before, DESCRIPTION_COLUMNS)),
    }


def _sum(column: pa.ChunkedArray) -> int:
    return pc.sum(column).as_py() or 0
