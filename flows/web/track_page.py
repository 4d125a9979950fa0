"""A track's page: everything that is known of it.

Tracks in quarantine, and those that search does not show, have a page too.
"""

import json
import posixpath
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from flows.operations.track_details import read_track
from flows.search.reader import Reader
from flows.search.track_rows import read_hits, read_rows
from flows.web.dependencies import ReadersOf, RulesOf, SettingsOf
from flows.web.limits import AdmitQuery
from flows.web.page_filters import moment, number, size, span
from flows.web.paths import hide_all
from flows.web.rendering import render_page
from lake.catalogue.rights import describe_rights
from schemas.errors import NotFound
from schemas.tables import embeddings_table
from schemas.tracks import MISSING

router = APIRouter(include_in_schema=False, dependencies=[AdmitQuery])
_SOUND = ("bpm", "bpm_alternative", "camelot", "loudness_range", "true_peak_db", "intro_s")
Pair = tuple[str, Any]


@router.get("/track/{track_id:path}")
def show_track(track_id: str, settings: SettingsOf, rules: RulesOf, readers: ReadersOf) -> HTMLResponse:
    """Show a track by its id; of no track, say so with status 404."""
    try:
        details = readers.ask(None, lambda reader: read_track(reader, track_id, settings))
    except NotFound:
        page = render_page("no_track.html", "", track_id=track_id)
        page.status_code = 404
        return page
    uri = details.file.uri
    document = details.to_json()
    if rules.is_remote:
        document = hide_all(document, [uri, details.file.source])
        document["file"]["uri"] = posixpath.basename(uri)
    hit, report, file = (document[name] for name in ("hit", "report", "file"))
    described = readers.ask(None, lambda reader: _read_described(reader, track_id)) if hit else {}
    copies = readers.ask(None, lambda reader: read_hits(reader, details.copies)) if details.copies else []
    return render_page(
        "track.html",
        "",
        title=(hit or {}).get("title") or posixpath.basename(uri) or track_id,
        kind="" if hit and not hit["stale_since"] and report["advice"] is None else "warn",
        state=report,
        hit=hit,
        hit_json=json.dumps(hit, default=str),
        sound=list(_sound(hit or {}, described)),
        metadata=list(_metadata(hit or {}, file)),
        file=list(_file(file)),
        copies=copies,
    )


def _read_described(reader: Reader, track_id: str) -> dict[str, Any]:
    """Return what the description of a track says beyond its hit.

    It is {} in a lake without descriptions.
    """
    columns = reader.lake.table(embeddings_table(reader.spec)).schema.names
    return dict(read_rows(reader, [track_id], [name for name in _SOUND if name in columns]).to_pylist()[0])


def _pairs(**values: Any) -> Iterator[Pair]:
    """Yield the pairs whose value is known; an underscore of a name is a space."""
    return ((name.replace("_", " "), value) for name, value in values.items() if value not in (None, "", [], ()))


def _sound(hit: dict[str, Any], described: dict[str, Any]) -> Iterator[Pair]:
    row = hit | described

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
    )


def _metadata(hit: dict[str, Any], file: dict[str, Any]) -> Iterator[Pair]:
    """Yield rights and metadata, the manifest's own columns last."""
    rights = describe_rights({"available_from": None, "available_to": None} | hit)
    yield from _pairs(Available="always, everywhere" if rights == "from ever to ever" else rights if hit else "")
    yield from _pairs(Album=hit.get("album"), Year=hit.get("year"), Genres=", ".join(hit.get("genres") or []))
    yield from _pairs(ISRC=hit.get("isrc"), Earlier_ids=", ".join(file["earlier_ids"]))
    yield from ((name, value) for name, value in (hit.get("extra") or {}).items() if value not in (None, ""))


def _file(file: dict[str, Any]) -> Iterator[Pair]:
    """Yield what is known of the file and its history."""
    facts, version = file["facts"], file["source_version"]
    has_changed = file["embedded_version"] not in (None, version)
    return _pairs(
        Name=file["uri"],
        Source=file["source"],
        Listed="no more" if file["state"] != "active" else "",
        Found="missing when it was last listed" if version == MISSING else "",
        Size=size(file["size"]),
        Added=moment(file["added_at"]),
        Last_listed=moment(file["last_seen"]),
        Codec=facts.get("codec"),
        Sample_rate=f"{number(facts['sample_rate'])} Hz" if facts.get("sample_rate") else "",
        Channels=facts.get("channels"),
        Faults=", ".join(file["verdicts"]),
        Content=(file["content_sha256"] or "")[:16],
        Embedded_as=f"{file['embedded_version']}, before the file changed" if has_changed else "",
        Version=version if version != MISSING else "",
        Run=file["run_id"],
    )
