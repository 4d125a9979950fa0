"""`tonelake export`: a release as files for other systems, with a manifest."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from flows.console.progress import with_progress
from flows.export.neighbours import plan_neighbours
from flows.export.source import ExportSource, resolve_source
from lake.catalogue.runs import RunRecord, new_run_id
from lake.export.folder import ExportFolder, matches_plan
from lake.export.formats import OutputFile, describe_index, is_reusable, plan_files, removed_file
from lake.export.log import record_export, require_outside
from lake.export.registry import read_registry, registry_digest, registry_file, select_rows
from lake.export.rows import BATCH_ROWS, SnapshotRows, changed_indices, removed_tracks
from lake.releases.releases import find_release, open_release
from lake.storage.lake import Lake
from lake.storage.lease import Lease, export_lease
from schemas import clock
from schemas.errors import UserError
from schemas.exports import DEFAULT_K, FORMATS, NEIGHBOURS
from schemas.log import Log
from schemas.names import did_you_mean
from schemas.releases import Snapshot
from schemas.rights import RightsFilter
from schemas.settings import Settings


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export, and to which folder.

    `release` is a number; without it, `resolve_version` decides. With `since`, only what changed since that earlier
    release is exported. `k` is the number of neighbours of each track, for that format alone; None means 100.
    `available_on` (a date) and `territory` leave out tracks that may not be played then and there; None exports all.
    """

    folder: str
    release: int | None = None
    since: int | None = None
    format: str = "parquet"
    embedding_version: str | None = None
    k: int | None = None
    available_on: str | None = None
    territory: str | None = None

    @property
    def rights(self) -> RightsFilter | None:
        """The filter of the rights. Raises UserError if the date or the territory is none."""
        return RightsFilter.from_options(self.available_on, self.territory, any_date=self.available_on is None)


@dataclass(frozen=True, slots=True)
class ExportContent:
    """The source of an export, and the release that a reader already has.

    `rights` None keeps all tracks. `registry` has a row for each of the source; it is read once, at the start.
    """

    source: ExportSource
    before: Snapshot | None
    rights: RightsFilter | None
    registry: pa.Table

    def indices(self) -> np.ndarray | None:
        """Return the rows of the snapshot to write, int64 [N]; None for all."""
        changed = _changed_rows(self.source, self.before) if self.before else None
        return select_rows(self.registry, self.rights, changed) if self.rights else changed

    def kept(self) -> pa.Table:
        """Return the registry's rows of all tracks that the filter keeps, changed or not."""
        if self.rights is None:
            return self.registry
        return self.registry.take(pa.array(select_rows(self.registry, self.rights, None)))


def write_export(request: ExportRequest, settings: Settings, log: Log, *, replaces: bool = False) -> dict[str, Any]:
    """Write an export and its manifest.

    Return the manifest, with `folder` and with `done`, which is False if nothing had to be written. A folder that
    holds the same export is left as it is. An export of the same release from before the release was rebuilt is
    replaced; with `replaces` any other export too. Raises UserError if the folder holds anything else, or if the
    options do not go together.
    """
    _require_valid(request)
    lake = Lake.at(settings.lake, settings.s3)
    lake.require_table_names()
    folder = ExportFolder.at(request.folder, settings.s3)
    if not folder.is_started():
        require_outside(lake, folder.uri)
    run_id = new_run_id()
    with Lease(lake, export_lease(folder.uri), run_id, log):  # held before it reads: a takedown removes old versions
        source = resolve_source(settings, request.embedding_version, request.release)
        before = _snapshot_before(source, request.since)
        content = ExportContent(source, before, request.rights, read_registry(lake, source.snapshot))
        plan = _plan(content, request)
        describe_index(plan, 0)  # raises here, not after an hour, if a package is missing
        existing = folder.read_manifest()
        _require_replaceable(folder, existing, plan, replaces)
        if existing and matches_plan(existing, plan):
            folder.remove_temporary_files()
            return existing | {"done": False, "folder": folder.uri}
        with RunRecord(lake, run_id, "export", source.spec, asdict(request)) as run:
            entry = record_export(lake, source.log_entry(folder.uri, plan, run_id))
            source.require_current()
            manifest = _write_files(content, folder, plan, run_id, settings)
            record_export(lake, replace(entry, tracks=manifest["tracks"]))
            run.finish({name: manifest[name] for name in ("tracks", "removed")})
    return manifest | {"done": True, "folder": folder.uri}


def _require_valid(request: ExportRequest) -> None:
    """Raise UserError if the format or an option is none, or if two contradict."""
    _ = request.rights  # a date or a territory that is none
    if request.format not in FORMATS:
        hint = did_you_mean(request.format, FORMATS)
        raise UserError(f"there is no format {request.format!r}; {hint}there are {', '.join(FORMATS)}")
    if request.format != NEIGHBOURS and request.k is not None:
        raise UserError(f"-k is the number of neighbours: use it with --format {NEIGHBOURS}, or leave it out")
    if request.format == NEIGHBOURS and request.since is not None:
        raise UserError("a new track can change the neighbours of every other: export them without --since")
    if request.k is not None and request.k < 1:
        raise UserError(f"a track cannot have {request.k} neighbours: give a number from 1")


def _snapshot_before(source: ExportSource, since: int | None) -> Snapshot | None:
    """Return the snapshot of the release that a reader already has.

    Raises UserError if its vectors are of another encoder version.
    """
    if since is None:
        return None
    release = find_release(source.lake, since)
    if release.snapshot.embedding_version != source.spec.embedding_version:
        raise UserError(
            f"{release.title} is of another version than {source.spec.name} {source.spec.embedding_version}: their "
            "vectors never meet; export without --since"
        )
    open_release(source.lake, release)
    return release.snapshot


def _plan(content: ExportContent, request: ExportRequest) -> dict[str, Any]:
    """Return everything that decides the content of an export; equal plans give equal exports."""
    source, before, rights = content.source, content.before, content.rights
    plan = {
        "lake": source.lake.uri,
        "release": source.release,
        "format": request.format,
        "embedding_version": source.spec.embedding_version,
        "snapshot": asdict(source.snapshot),
        "since_snapshot": asdict(before) if before else None,
        "since": request.since,
        "available_on": rights.on if rights else None,
        "territory": rights.territory if rights else None,
    }
    if rights or request.format != NEIGHBOURS:
        plan["registry_sha256"] = registry_digest(content.registry)
    return plan | {"k": request.k or DEFAULT_K} if request.format == NEIGHBOURS else plan


def describe_filter(plan: dict[str, Any]) -> str:
    """Return an export's filter in words, such as " available on 2026-12-24 in DE"."""
    on, territory = plan.get("available_on"), plan.get("territory")
    if not on and not territory:
        return ""
    return " available" + (f" on {on}" if on else "") + (f" in {territory}" if territory else "")


def _require_replaceable(
    folder: ExportFolder, existing: dict[str, Any] | None, plan: dict[str, Any], replaces: bool
) -> None:
    """Raise UserError if the folder holds something that this export must not replace."""
    if existing is None:
        if not folder.is_started() and folder.file_names():
            raise UserError(f"{folder.uri} holds files that are no export: give an empty folder or a new one")
        return
    identity = ["lake", "release", "since", "format", "embedding_version", "k", "available_on", "territory"]
    if plan["release"] is None:
        identity.append("snapshot")
    if not replaces and any(existing.get(name) != plan.get(name) for name in identity):
        title = f"release {existing.get('release')} as {existing.get('format')}"
        if existing.get("k"):
            title += f" with k = {existing['k']}"
        if existing.get("since"):
            title += f" since {existing['since']}"
        title += describe_filter(existing)
        raise UserError(f"{folder.uri} holds another export ({title}): give another folder, or --replace it")


def _write_files(
    content: ExportContent,
    folder: ExportFolder,
    plan: dict[str, Any],
    run_id: str,
    settings: Settings,
) -> dict[str, Any]:
    """Write the files that are not there yet, then the manifest, and return the manifest."""
    folder.start(plan)
    source, indices, kept = content.source, content.indices(), content.kept()
    rows = SnapshotRows(source.lake, source.snapshot, indices)
    if plan["format"] == NEIGHBOURS:
        files = plan_neighbours(folder, source, plan, settings, indices)
    else:
        of_rows = plan if content.rights else {name: plan[name] for name in plan if name != "registry_sha256"}
        files = [*plan_files(folder, rows, of_rows), registry_file(kept, plan)]
    removed = removed_tracks(source.lake, content.before, kept["track_id"]) if content.before else None
    if removed is not None:
        files.append(removed_file(removed))
    batches = sum(-(-file.rows // BATCH_ROWS) for file in files)
    for _ in with_progress(_write_missing(folder, files), f"exporting {len(rows):,} tracks", batches):
        pass
    manifest = plan | {
        "dim": source.spec.head.dim,
        "tracks": len(rows),
        "removed": len(removed) if removed is not None else 0,
        **describe_index(plan, len(rows)),
        "files": _describe_files(folder, files),
        "encoder": json.loads(source.spec.to_json()),
        "run_id": run_id,
        "at": clock.now().isoformat(timespec="seconds"),
    }
    folder.complete(manifest)
    return manifest


def _changed_rows(source: ExportSource, before: Snapshot) -> np.ndarray:
    """Return the row numbers in the snapshot of the tracks that changed since `before`."""
    changed = changed_indices(source.lake, before, source.snapshot)
    batches = -(-source.snapshot.tracks // BATCH_ROWS)
    return np.concatenate([np.empty(0, np.int64), *with_progress(changed, "comparing two releases", batches)])


def _write_missing(folder: ExportFolder, files: list[OutputFile]) -> Iterator[None]:
    for file in files:
        if not is_reusable(folder, file):
            with folder.writing(file.name) as path:
                yield from file.write(path)


def _describe_files(folder: ExportFolder, files: list[OutputFile]) -> list[dict[str, Any]]:
    """Read every file back and return its name, size and hash.

    A file that is not a folder has `rows` too.
    """
    names = [(name, file) for file in files for name in folder.staged_files(file.name)]
    descriptions = []
    for name, file in with_progress(names, "checking what was written", len(names)):
        description = folder.describe_file(name)
        if name == file.name:
            description |= {"rows": file.rows}
        descriptions.append(description)
    return descriptions
