"""A track's page: everything that is known of it, also of one that is in quarantine or not shown."""

import json
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from flows.operations.why import TrackReport, explain_track
from flows.search.copies import COLUMNS, find_originals
from flows.search.reader import Reader
from flows.search.track_rows import read_hits, read_rows
from flows.web.dependencies import ReadersOf, RulesOf, SettingsOf
from flows.web.page_filters import moment, number, size, span
from flows.web.pages import render_page
from lake.catalogue.rights import describe_rights
from lake.embeddings.search import nearest_rows
from lake.storage.filters import select_in
from lake.storage.lake import Lake
from schemas.search import SearchHit
from schemas.tables import embeddings_table
from schemas.tracks import MISSING

router = APIRouter(include_in_schema=False)
_NEIGHBOURS = 20  # among them copies are looked for
Pair = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class CopyRow:
    """Another track that is the same recording; `note` says how that is known."""

    track_id: str
    name: str
    note: str


@router.get("/track/{name:path}")
def show_track(name: str, settings: SettingsOf, rules: RulesOf, readers: ReadersOf) -> HTMLResponse:
    """Show a track by its id. A page about no track says why there is none, with status 404."""
    report = explain_track(name, settings)
    reader = readers.current()
    known = _first(reader.lake, "tracks", "track_id", report.track_id)
    row = _first(reader.lake, embeddings_table(reader.spec), "track_id", report.track_id)
    hit = read_hits(reader, [row["track_id"]])[0] if row and known else None
    facts = _first(reader.lake, "audio_facts", "content_sha256", row and row["content_sha256"])
    values = {
        "title": _title(hit, known, report),
        "kind": "bad" if not known else "" if hit and not hit.stale_since and report.advice is None else "warn",
        "state": report,
        "hit": hit,
        "hit_json": json.dumps(hit.to_json() | ({"uri": None} if rules.is_remote else {})) if hit else None,
        "sound": list(_sound(row or {}, facts)),
        "metadata": list(_metadata(known)),
        "file": list(_file(known, facts, rules.is_remote)),
        "copies": list(_copies(reader, row)) if row and known else [],
    }
    page = render_page("track.html", "", **values)
    page.status_code = 200 if known else 404
    return page


def _first(lake: Lake, table: str, column: str, value: str | None) -> dict[str, Any]:
    """Return the row of a table with this value, {} without one."""
    opened = lake.find_table(table)
    if opened is None or not value:
        return {}
    rows: list[dict[str, Any]] = select_in(opened, column, [value], _light(opened.schema.names)).to_pylist()
    return rows[0] if rows else {}


def _light(columns: list[str]) -> list[str]:
    return [name for name in columns if name not in ("vector", "fingerprint")]


def _title(hit: SearchHit | None, known: dict[str, Any], report: TrackReport) -> str:
    titles = (hit and hit.title, known.get("title"), posixpath.basename(known.get("uri") or ""), report.name)
    return next(title for title in titles if title)


def _pairs(**values: Any) -> Iterator[Pair]:
    """Yield the pairs whose value is known; an underscore of a name is a space."""
    return ((name.replace("_", " "), value) for name, value in values.items() if value not in (None, "", [], ()))


def _sound(row: dict[str, Any], facts: dict[str, Any]) -> Iterator[Pair]:
    def rounded(name: str, unit: str, digits: int = 1) -> str:
        return "" if row.get(name) is None else f"{row[name]:.{digits}f} {unit}"

    tempos = rounded("bpm", "bpm", 0), rounded("bpm_alternative", "bpm", 0)
    key = " ".join(filter(None, (row.get("musical_key"), row.get("mode"))))
    return _pairs(
        Length=span(row.get("duration_s")),
        Tempo=", or ".join(dict.fromkeys(filter(None, tempos))),
        Key=f"{key} ({row['camelot']})" if key and row.get("camelot") else key,
        Loudness=rounded("loudness_lufs", "LUFS"),
        Range=rounded("loudness_range", "LU"),
        True_peak=rounded("true_peak_db", "dB"),
        Intro=rounded("intro_s", "s"),
        Faults=", ".join(facts.get("verdicts") or []),
    )


def _metadata(known: dict[str, Any]) -> Iterator[Pair]:
    rights = describe_rights(known) if known else ""
    own = known.get("extra") or {}
    own = json.loads(own) if isinstance(own, str) else own
    yield from _pairs(Available="always, everywhere" if rights == "from ever to ever" else rights)
    yield from _pairs(Album=known.get("album"), Genres=", ".join(known.get("genres") or []), ISRC=known.get("isrc"))
    yield from ((name, value) for name, value in dict(own).items() if value not in (None, ""))


def _file(known: dict[str, Any], facts: dict[str, Any], is_remote: bool) -> Iterator[Pair]:
    """Yield what is known of the file and its history; beyond this machine without its path."""
    version = known.get("source_version")
    rate = facts.get("sample_rate")
    return _pairs(
        Name=posixpath.basename(known.get("uri") or "") if is_remote else known.get("uri"),
        Source="" if is_remote else known.get("source"),
        Listed="no more" if known.get("state") in ("vanished", "removed") else "",
        Found="missing when it was last listed" if version == MISSING else "",
        Size=size(known.get("size")),
        Added=moment(known.get("added_at")),
        Last_listed=moment(known.get("last_seen")),
        Codec=facts.get("codec"),
        Sample_rate=f"{number(rate)} Hz" if rate else "",
        Channels=facts.get("channels"),
        Content=(facts.get("content_sha256") or "")[:16],
        Version=version if version != MISSING else "",
    )


def _copies(reader: Reader, row: dict[str, Any]) -> Iterator[CopyRow]:
    """Yield the other encodes of a track's recording, among the tracks that are nearest to it."""
    columns = ["track_id", "title", *COLUMNS]
    own = read_rows(reader, [row["track_id"]], columns).select(columns)
    vector = np.asarray(own["vector"][0].as_py(), np.float32)
    near = nearest_rows(reader.lake, reader.spec, vector, _NEIGHBOURS, columns).select(columns)
    rows = [own, near.filter(pc.not_equal(near["track_id"], row["track_id"]))]
    table = pa.concat_tables(rows)
    for other, original in zip(table.to_pylist()[1:], find_originals(reader.lake, table)[1:], strict=True):
        if original == 0:
            note = "equal bytes" if other["content_sha256"] == row["content_sha256"] else "another encode"
            yield CopyRow(other["track_id"], other["title"] or other["track_id"][:8], note)
