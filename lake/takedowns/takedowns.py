"""The table of takedowns: which tracks and contents must not come back."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import lance
import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue import identity
from lake.catalogue.encoders import list_encoder_versions
from lake.releases.releases import is_tagged, list_releases, open_snapshot
from lake.storage.arrow import is_in, string_column, with_column
from lake.storage.filters import in_clause, select_in, string_literal
from lake.storage.lake import Lake
from schemas import clock
from schemas.errors import UserError
from schemas.tables import embeddings_table, vanished_table
from schemas.takedowns import TAKEDOWNS, TAKEN_DOWN

TABLE = "takedowns"
# Tables that keep the ids of removed tracks: by them a refused track is recognized. They hold nothing else of it.
KEPT_TABLES = frozenset({TABLE, identity.TABLE})
FINISH = "tonelake takedown"  # the command that finishes a killed takedown
_TRACK, _CONTENT = "track_id:", "content_sha256:"  # prefixes of keys


@dataclass(frozen=True, slots=True)
class Blocklist:
    """Track ids and contents that were taken down, and the run of a killed takedown."""

    tracks: frozenset[str]
    contents: frozenset[str]
    unfinished_run: str | None


class Takedown(NamedTuple):
    """Track ids, contents and reason of one takedown."""

    tracks: list[str]
    contents: list[str]
    reason: str | None


def read_blocklist(lake: Lake) -> Blocklist:
    """Return what this lake must not take in."""
    table = lake.find_table(TABLE)
    if table is None:
        return Blocklist(frozenset(), frozenset(), None)
    rows = table.to_table(columns=["key", "run_id", "done_at"]).to_pylist()
    keys = [row["key"] for row in rows]
    unfinished_run = next((row["run_id"] for row in rows if row["done_at"] is None), None)
    return Blocklist(_with_prefix(keys, _TRACK), _with_prefix(keys, _CONTENT), unfinished_run)


def require_finished(*lakes: Lake) -> Blocklist:
    """Return what any of the lakes must not take in.

    Raises UserError if a takedown was killed: a table may be incomplete then.
    """
    blocklists = [read_blocklist(lake) for lake in lakes]
    for blocklist in blocklists:
        if run := blocklist.unfinished_run:
            raise UserError(f"takedown {run} is not finished: wait for it, or finish it with `{FINISH}`")
    tracks = frozenset(track for blocklist in blocklists for track in blocklist.tracks)
    contents = frozenset(content for blocklist in blocklists for content in blocklist.contents)
    return Blocklist(tracks, contents, None)


def drop_blocked(tracks: pa.Table, blocklist: Blocklist) -> pa.Table:
    """Return the registry rows whose tracks were not taken down."""
    if not blocklist.tracks:
        return tracks
    return tracks.filter(pc.invert(is_in(tracks["track_id"], string_column(blocklist.tracks))))


def quarantine_blocked(outcomes: pa.Table, blocklist: Blocklist) -> pa.Table:
    """Return workers' outcomes with those of blocked contents quarantined, so that no vector is written."""
    if not blocklist.contents:
        return outcomes
    blocked = pc.and_(
        pc.equal(outcomes["outcome"], "embedded"),
        is_in(outcomes["content_sha256"], string_column(blocklist.contents)),
    )
    values = {"outcome": "quarantined", "reason": TAKEN_DOWN, "message": "a takedown refuses this content"}
    for name, value in values.items():
        outcomes = with_column(outcomes, name, pc.if_else(blocked, value, outcomes[name]))
    return outcomes


def add_takedown(lake: Lake, tracks: Iterable[str], contents: Iterable[str], run_id: str, reason: str | None) -> None:
    """Block tracks and contents from now on. The takedown is unfinished until `finish_takedown`.

    Without a reason, keys that were taken down before keep theirs.
    """
    keys = [f"{_TRACK}{track}" for track in tracks] + [f"{_CONTENT}{content}" for content in contents]
    table = lake.open_or_create(TABLE, TAKEDOWNS)
    reasons = dict.fromkeys(keys, reason)
    if not reason:
        reasons |= {row["key"]: row["reason"] for row in select_in(table, "key", keys).to_pylist()}
    columns = {"run_id": run_id, "begun_at": clock.now(), "done_at": None}
    rows = [{"key": key, "reason": reasons[key]} | columns for key in keys]
    lake.upsert(TABLE, TAKEDOWNS, pa.Table.from_pylist(rows, schema=TAKEDOWNS))


def finish_takedown(lake: Lake, run_id: str) -> None:
    """Mark a takedown as finished: nothing of it is left in the lake."""
    rows = lake.table(TABLE).to_table(filter=f"run_id = {string_literal(run_id)}").to_pylist()
    done = [row | {"done_at": clock.now()} for row in rows]
    lake.upsert(TABLE, TAKEDOWNS, pa.Table.from_pylist(done, schema=TAKEDOWNS))


def read_takedown(lake: Lake, run_id: str) -> Takedown:
    """Return one takedown, its tracks and contents sorted."""
    rows = lake.table(TABLE).to_table(filter=f"run_id = {string_literal(run_id)}").to_pylist()
    keys = [row["key"] for row in rows]
    return Takedown(sorted(_with_prefix(keys, _TRACK)), sorted(_with_prefix(keys, _CONTENT)), rows[0]["reason"])


def track_contents(lake: Lake, column: str, values: Collection[str]) -> set[tuple[str, str]]:
    """Return the pairs (track_id, content_sha256) whose `column`, one of the two, is in `values`.

    Rows of every version count, searchable or vanished, now and in every release.
    """
    pairs: set[tuple[str, str]] = set()
    if not values:
        return pairs
    for table in _tables_with_releases(lake):
        rows = select_in(table, column, sorted(values), ["track_id", "content_sha256"])
        pairs.update(zip(rows["track_id"].to_pylist(), rows["content_sha256"].to_pylist(), strict=True))
    return pairs


def unreferenced_contents(lake: Lake, contents: pa.ChunkedArray, tracks: Collection[str]) -> pa.ChunkedArray:
    """Return those of `contents` that only `tracks` refer to, now and in every release.

    Earlier contents of a changed file count as well.
    """
    others = f"NOT ({in_clause('track_id', sorted(tracks))})"
    for table in _tables_with_releases(lake):
        for batch in table.to_batches(columns=["content_sha256"], filter=others):
            contents = contents.filter(pc.invert(pc.is_in(contents, batch["content_sha256"])))
    return contents


def _with_prefix(keys: list[str], prefix: str) -> frozenset[str]:
    """Return the keys that have a prefix, without it."""
    return frozenset(key.removeprefix(prefix) for key in keys if key.startswith(prefix))


def _tables_with_releases(lake: Lake) -> Iterator[lance.LanceDataset]:
    """Yield every embeddings and vanished table, now and in each tagged release."""
    names = lake.table_names()
    specs = [version.spec for version in list_encoder_versions(lake)] if "encoders" in names else []
    for name in sorted({table(spec) for spec in specs for table in (embeddings_table, vanished_table)} & names):
        yield lake.table(name)
        releases = [release for release in list_releases(lake) if release.snapshot.table == name]
        for snapshot in {release.snapshot for release in releases if is_tagged(lake, release)}:
            yield open_snapshot(lake, snapshot).table(name)
