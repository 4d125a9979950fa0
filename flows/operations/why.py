"""`tonelake why`: where is this track or file, and what to do next."""

import os
import posixpath
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from lake.catalogue.encoders import list_encoder_versions
from lake.catalogue.plan import make_plan
from lake.catalogue.rights import describe_rights, is_available
from lake.catalogue.sources import registered_sources
from lake.catalogue.track_names import matching_tracks, only_match
from lake.embeddings.stale import stale_times
from lake.export.log import list_exports
from lake.releases.releases import is_readable, list_releases, live_release, open_snapshot
from lake.sources.listing import HIDDEN, skip_reason
from lake.sources.manifest_lines import MANIFEST_SUFFIXES
from lake.storage.arrow import conform_to
from lake.storage.filters import string_literal
from lake.storage.lake import Lake
from lake.takedowns.takedowns import read_blocklist
from schemas.encoders import EncoderSpec
from schemas.rights import RightsFilter, today
from schemas.settings import Settings
from schemas.tables import embeddings_table, vanished_table
from schemas.tracks import MISSING, TRACKS, track_id


@dataclass(frozen=True, slots=True)
class VersionState:
    """A track under one encoder version.

    `state` is embedded, quarantined, pending, or "out of search". `stale_since`: search finds it by an earlier row.
    """

    encoder: str
    embedding_version: str
    state: str
    reason: str | None = None
    message: str | None = None
    stale_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class TrackReport:
    """Where a track or file is. `answer` says it in a sentence, `advice` what to do next, if anything."""

    name: str
    track_id: str | None
    uri: str | None
    answer: str
    advice: str | None = None
    versions: tuple[VersionState, ...] = ()
    releases: tuple[int, ...] = ()
    exports: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


def explain_track(name: str, settings: Settings) -> TrackReport:
    """Say where a track is, by an id, a path or a title.

    Raises UserError if there is no lake, or if several tracks have the name.
    """
    lake = Lake.at(settings.lake, settings.s3)
    lake.require_table_names()
    matches = matching_tracks(lake, name) or _titled(lake, name)
    if not matches:
        return _explain_unknown(lake, name)
    registered = lake.table("tracks").to_table(filter=f"track_id = {string_literal(only_match(name, matches))}")
    (track,) = registered.to_pylist()
    versions = tuple(_version_state(lake, version.spec, registered) for version in list_encoder_versions(lake))
    releases = tuple(_releases_with(lake, track["track_id"]))
    in_table = {state.embedding_version for state in versions if state.state == "embedded" or state.stale_since}
    exports = tuple(
        export.uri
        for export in list_exports(lake)
        if export.release in releases or (export.release is None and export.embedding_version in in_table)
    )
    answer, advice = _answer(lake, track, versions)
    return TrackReport(name, track["track_id"], track["uri"], answer, advice, versions, releases, exports)


def _explain_unknown(lake: Lake, name: str) -> TrackReport:
    """Say why the registry has no such track."""
    path = name if "://" in name else os.path.abspath(os.path.expanduser(name))
    sources = [registered.source for registered in registered_sources(lake)]
    below = [source for source in sources if f"{path}/".startswith(f"{source.rstrip('/')}/")]
    ids = {name, *(track_id(source, path[len(source.rstrip("/")) + 1 :]) for source in below)}
    if taken_down := ids & read_blocklist(lake).tracks:
        answer = "it was taken down by `tonelake takedown`, for good"
        return TrackReport(name, taken_down.pop(), None, answer, "to take it in again, list it under another id")
    exists = "://" in path or Path(path).exists()
    if not below:
        advice = (
            f"tonelake index {path}" if exists else "give a track's id, path or title; `tonelake search` prints them"
        )
        return TrackReport(name, None, path, "no source of the lake lists it, and no track has this name", advice)
    if not exists:
        return TrackReport(name, None, path, f"there is no such file, and {below[0]} never listed it")
    if below[0].endswith(MANIFEST_SUFFIXES):
        return TrackReport(name, None, path, f"it is the manifest {below[0]}, whose lines are tracks")
    reason = skip_reason(posixpath.basename(path))
    if reason == HIDDEN:
        return TrackReport(name, None, path, "it is skipped: its name begins with a dot", "rename it")
    if reason:
        advice = "convert or rename it; docs/commands.md lists the suffixes"
        return TrackReport(name, None, path, f"it is skipped: {Path(path).suffix or 'no suffix'} is not audio", advice)
    return TrackReport(name, None, path, f"{below[0]} has not listed it yet", "tonelake refresh")


def _answer(lake: Lake, track: dict[str, Any], versions: tuple[VersionState, ...]) -> tuple[str, str | None]:
    """Return the answer for a registered track, and the advice."""
    source = track["source"]
    if track["state"] == "vanished":
        return f"{source} does not list it any more", "put the file back and run: tonelake refresh"
    if track["state"] == "removed":
        return f"its source {source} was removed", f"tonelake sources add {source}, then tonelake refresh"
    live = live_release(lake)
    shown = [state for state in versions if live is None or state.embedding_version == live.snapshot.embedding_version]
    state = (shown or list(versions) or [VersionState("", "", "pending")])[0]
    if state.state == "quarantined":
        answer = f"it is in quarantine: {state.reason} ({state.message})"
        advice = "replace the file and run: tonelake refresh"
        if track["source_version"] == MISSING:
            answer, advice = f"its file {track['uri']} is missing", "put it back and run: tonelake refresh"
        if state.stale_since:
            answer += f"; search finds its earlier row, stale since {state.stale_since:%Y-%m-%d}"
            advice += f"; if it is gone for good: tonelake refresh --accept-loss {source}"
        return answer, advice
    if state.state == "pending":
        return "it is registered and not embedded yet", "tonelake refresh"
    if not is_available(conform_to(pa.Table.from_pylist([track]), TRACKS), RightsFilter(today()))[0]:
        advice = "search --any-date finds it; its dates come from its manifest"
        return f"it is embedded, and not available today ({describe_rights(track)})", advice
    if track.get("territories"):
        return f"search finds it, and with --territory only there ({describe_rights(track)})", None
    return "search finds it", None


def _version_state(lake: Lake, spec: EncoderSpec, registered: pa.Table) -> VersionState:
    """Return the state of a track under one version."""
    (track,) = registered.to_pylist()
    name, version, key = spec.name, spec.embedding_version, track["track_id"]
    if track["state"] != "active":
        kept = _rows(lake, vanished_table(spec), "track_id", key)
        return VersionState(name, version, "out of search", "its vector is kept" if kept else None)
    plan = make_plan(lake, spec, registered)
    since = stale_times(lake, spec, [key]).get(key)
    if plan.reasons:
        rows = _rows(lake, "quarantine", "key", f"{key}@{spec.feature_version}")
        return VersionState(name, version, "quarantined", rows[0]["reason"], rows[0]["message"], since)
    return VersionState(name, version, "embedded" if plan.embedded else "pending", stale_since=since)


def _releases_with(lake: Lake, key: str) -> Iterator[int]:
    """Yield the numbers of the readable releases that have a track."""
    for release in list_releases(lake):
        if is_readable(lake, release.snapshot):
            table = open_snapshot(lake, release.snapshot).table(release.snapshot.table)
            if table.count_rows(f"track_id = {string_literal(key)}"):
                yield release.number


def _titled(lake: Lake, title: str) -> dict[str, str]:
    """Return the tracks of exactly this title in any embeddings table: id -> title."""
    tables = [lake.find_table(embeddings_table(version.spec)) for version in list_encoder_versions(lake)]
    condition = f"title = {string_literal(title)}"
    rows = [
        row
        for table in [lake.table("tracks"), *tables]
        if table is not None
        for row in table.to_table(columns=["track_id", "title"], filter=condition).to_pylist()
    ]
    return {row["track_id"]: row["title"] for row in rows}


def _rows(lake: Lake, name: str, column: str, value: str) -> list[dict[str, Any]]:
    table = lake.find_table(name)
    if table is None:
        return []
    rows: list[dict[str, Any]] = table.to_table(filter=f"{column} = {string_literal(value)}").to_pylist()
    return rows
