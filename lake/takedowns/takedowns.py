"""The book of takedowns: which tracks and contents are refused from then on."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import lance
import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.encoders import versions
from lake.releases.releases import at, is_kept, releases
from lake.storage.arrow import is_among, strings, with_column
from lake.storage.filters import among, quoted, rows_among
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.tables import embeddings_table, vanished_table
from schemas.takedowns import TAKEDOWNS, TAKEN_DOWN

TABLE = "takedowns"
_TRACK, _CONTENT = "track_id:", "content_sha256:"


@dataclass(frozen=True, slots=True)
class Refused:
    """Track ids and contents that were taken down; `unfinished` is the run of a takedown that was killed."""

    tracks: frozenset[str]
    contents: frozenset[str]
    unfinished: str | None


def refused(lake: Lake) -> Refused:
    """What this lake must not take in."""
    if TABLE not in lake.names():
        return Refused(frozenset(), frozenset(), None)
    rows = lake.table(TABLE).to_table(columns=["key", "run_id", "done_at"]).to_pylist()
    return Refused(*_kinds(rows), next((row["run_id"] for row in rows if row["done_at"] is None), None))


def require_finished(*lakes: Lake) -> Refused:
    """What any of them refuses; UserError where a takedown was killed: then a table may not be what it should be."""
    found = [refused(lake) for lake in lakes]
    if unfinished := next((one.unfinished for one in found if one.unfinished), None):
        raise UserError(f"takedown {unfinished} is not finished: wait for it, or finish it with `tonelake forget`")
    tracks, contents = (frozenset().union(*(getattr(one, name) for one in found)) for name in ("tracks", "contents"))
    return Refused(tracks, contents, None)


def admitted(tracks: pa.Table, those: Refused) -> pa.Table:
    """Registry rows without those of tracks that were taken down."""
    return tracks.filter(pc.invert(is_among(tracks["track_id"], strings(those.tracks)))) if those.tracks else tracks


def turned_away(outcomes: pa.Table, those: Refused) -> pa.Table:
    """Outcomes of workers with those of refused content in quarantine: their vectors are not written."""
    if not those.contents:
        return outcomes
    doomed = pc.and_(
        pc.equal(outcomes["outcome"], "embedded"), is_among(outcomes["content_sha256"], strings(those.contents))
    )
    said = {"outcome": "quarantined", "reason": TAKEN_DOWN, "message": "a takedown refuses this content"}
    for name, value in said.items():
        outcomes = with_column(outcomes, name, pc.if_else(doomed, value, outcomes[name]))
    return outcomes


def write_down(lake: Lake, tracks: Iterable[str], contents: Iterable[str], run_id: str, reason: str | None) -> None:
    """They are refused from now on; the takedown is unfinished until `finish`."""
    names = [f"{_TRACK}{one}" for one in tracks] + [f"{_CONTENT}{one}" for one in contents]
    table = lake.ensure(TABLE, TAKEDOWNS)
    known = rows_among(table, "key", names).to_pylist()
    reasons = dict.fromkeys(names, reason) | ({} if reason else {one["key"]: one["reason"] for one in known})
    told = {"run_id": run_id, "begun_at": datetime.now(UTC), "done_at": None}
    rows = [{"key": name, "reason": reasons[name]} | told for name in names]
    lake.upsert(TABLE, TAKEDOWNS, pa.Table.from_pylist(rows, schema=TAKEDOWNS))


def finish(lake: Lake, run_id: str) -> None:
    """Nothing of it is left in the lake."""
    rows = lake.table(TABLE).to_table(filter=f"run_id = {quoted(run_id)}").to_pylist()
    done = [row | {"done_at": datetime.now(UTC)} for row in rows]
    lake.upsert(TABLE, TAKEDOWNS, pa.Table.from_pylist(done, schema=TAKEDOWNS))


def of_run(lake: Lake, run_id: str) -> tuple[list[str], list[str], str | None]:
    """Tracks, contents and reason of one takedown."""
    rows = lake.table(TABLE).to_table(filter=f"run_id = {quoted(run_id)}").to_pylist()
    tracks, contents = map(sorted, _kinds(rows))
    return tracks, contents, rows[0]["reason"]


def _kinds(rows: list[dict[str, Any]]) -> tuple[frozenset[str], ...]:
    """The tracks and the contents that rows of the book name."""
    keys = [row["key"] for row in rows]
    return tuple(
        frozenset(key.removeprefix(kind) for key in keys if key.startswith(kind)) for kind in (_TRACK, _CONTENT)
    )


def pairs(lake: Lake, column: str, values: Collection[str]) -> set[tuple[str, str]]:
    """(track_id, content_sha256) of all that is held, in search or out of it, by any version, now or in a release.

    Those whose `column`, one of the two, has one of the values.
    """
    found: set[tuple[str, str]] = set()
    for table in _tables(lake) if values else ():
        rows = rows_among(table, column, sorted(values), ["track_id", "content_sha256"])
        found.update(zip(rows["track_id"].to_pylist(), rows["content_sha256"].to_pylist(), strict=True))
    return found


def unnamed(lake: Lake, contents: pa.ChunkedArray, tracks: Collection[str]) -> pa.ChunkedArray:
    """Of contents those that no row names, now or in a release, but rows of these tracks: also what a track held once,
    before its file was changed.
    """
    others = f"NOT ({among('track_id', sorted(tracks))})"
    for table in _tables(lake):
        for batch in table.to_batches(columns=["content_sha256"], filter=others):
            contents = contents.filter(pc.invert(pc.is_in(contents, batch["content_sha256"])))
    return contents


def _tables(lake: Lake) -> Iterator[lance.LanceDataset]:
    names = lake.names()
    specs = [version.spec for version in versions(lake)] if "encoders" in names else []
    for name in sorted({table(spec) for spec in specs for table in (embeddings_table, vanished_table)} & names):
        yield lake.table(name)
        kept = {one.snapshot for one in releases(lake) if one.snapshot.table == name and is_kept(lake, one)}
        yield from (at(lake, snapshot).table(name) for snapshot in kept)
