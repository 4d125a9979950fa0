"""A release as files for those who have no tonelake: Parquet, NumPy, Lance, faiss or hnswlib, and a manifest."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from flows.console.progress import track
from flows.search.search import held
from lake.catalogue.runs import RunRecord, new_run_id
from lake.export.folder import Folder, fits
from lake.export.formats import Piece, index_of, kept, pieces, removed_piece
from lake.export.log import record, require_outside
from lake.export.rows import BATCH_ROWS, Rows, changed_places, removed_tracks
from lake.releases.releases import Say, as_released, is_there, release, releases, snapshot
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.exports import FORMATS, Export
from schemas.releases import Snapshot
from schemas.settings import Settings


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export where: a release by its number, else what `held` gives; `since` an earlier one."""

    folder: str
    number: int | None = None
    since: int | None = None
    format: str = "parquet"
    embedding_version: str | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is read: the lake, a snapshot of one version's table, and the release it is of, if any."""

    lake: Lake
    spec: EncoderSpec
    snapshot: Snapshot
    release: int | None

    def require_current(self) -> None:
        """UserError where a takedown came since: it missed an export that was not yet written down."""
        if not is_there(self.lake, self.snapshot):
            raise UserError(f"{self.snapshot.table} was rebuilt meanwhile: run the same command again")
        if self.release and release(self.lake, self.release).snapshot != self.snapshot:
            raise UserError(f"release {self.release} was rebuilt meanwhile: run the same command again")

    def export(self, uri: str, form: str, run_id: str, **more: Any) -> Export:
        """Its row in the book, before it is whole."""
        version = (self.spec.name, self.spec.embedding_version)
        return Export(uri, self.release, more.pop("since", None), form, *version, run_id, datetime.now(UTC), **more)


def chosen(settings: Settings, embedding_version: str | None, number: int | None) -> Chosen:
    """As `held` chooses; a table that is of no release is read as it is at this moment to the end."""
    found, spec = held(settings, embedding_version, number)
    lake = Lake.at(settings.lake, settings.s3)
    for one in reversed(releases(lake)):
        if (one.snapshot.table, one.snapshot.lance_version) in found.pins and number in (None, one.number):
            return Chosen(lake, spec, one.snapshot, one.number)
    return Chosen(lake, spec, snapshot(lake, spec), None)


def export(request: ExportRequest, settings: Settings, say: Say, *, replaces: bool = False) -> dict[str, Any]:
    """Writes an export and its manifest, which it returns with `done`: whether anything was to be done.

    A folder that holds the same is left as it is; one that holds it as it was before its release was rebuilt is
    replaced, and so is any other export with `replaces`. UserError for a folder that holds anything else.
    """
    if request.format not in FORMATS:
        raise UserError(f"there is no format {request.format!r}: use {', '.join(FORMATS)}")
    source = chosen(settings, request.embedding_version, request.number)
    before = _before(source, request.since)
    folder = Folder.at(request.folder, settings.s3)
    if not folder.is_begun():
        require_outside(source.lake, folder.uri)
    plan = _plan(source, before, request.format) | {"since": request.since}
    index_of(plan, 0)
    with Lease(source.lake, lease_name(folder.uri), run_id := new_run_id(), say):
        there = folder.manifest()
        _require_free(folder, there, plan, replaces)
        if there and fits(there, plan):
            folder.settle()
            return there | {"done": False, "folder": folder.uri}
        with RunRecord(source.lake, run_id, "export", source.spec, asdict(request)) as book:
            row = record(source.lake, source.export(folder.uri, request.format, run_id, since=request.since))
            source.require_current()
            manifest = _written(source, before, folder, plan, run_id)
            record(source.lake, replace(row, tracks=manifest["tracks"]))
            book.done({name: manifest[name] for name in ("tracks", "removed")})
    return manifest | {"done": True, "folder": folder.uri}


def lease_name(uri: str) -> str:
    """Two that write to one place: one does, the other is told."""
    return f"export-{hashlib.sha256(uri.encode()).hexdigest()[:12]}"


def _before(source: Chosen, since: int | None) -> Snapshot | None:
    """The snapshot of the release that a reader has already; UserError where its vectors are of another version."""
    if since is None:
        return None
    old = release(source.lake, since)
    if old.snapshot.embedding_version != source.spec.embedding_version:
        raise UserError(
            f"{old.title} is of another version than {source.spec.name} {source.spec.embedding_version}: their "
            "vectors never meet; export without --since"
        )
    as_released(source.lake, old)
    return old.snapshot


def _plan(source: Chosen, before: Snapshot | None, form: str) -> dict[str, Any]:
    """All that decides what an export holds; two of one plan hold the same."""
    return {
        "lake": source.lake.uri,
        "release": source.release,
        "format": form,
        "embedding_version": source.spec.embedding_version,
        "snapshot": asdict(source.snapshot),
        "since_snapshot": asdict(before) if before else None,
    }


def _require_free(folder: Folder, there: dict[str, Any] | None, plan: dict[str, Any], replaces: bool) -> None:
    """UserError where the folder holds what this export is not to replace."""
    if there is None:
        if not folder.is_begun() and folder.names():
            raise UserError(f"{folder.uri} holds files that are no export: give an empty folder or a new one")
        return
    same = ("lake", "release", "since", "format", "embedding_version")
    if plan["release"] is None:
        same += ("snapshot",)
    if not replaces and any(there.get(name) != plan[name] for name in same):
        what = f"release {there.get('release')} as {there.get('format')}"
        what += f" since {there['since']}" if there.get("since") else ""
        raise UserError(f"{folder.uri} holds another export ({what}): give another folder, or --replace it")


def _written(
    source: Chosen, before: Snapshot | None, folder: Folder, plan: dict[str, Any], run_id: str
) -> dict[str, Any]:
    """All files, each when it is not there yet, then the manifest."""
    folder.begin(plan)
    places = _changed(source, before) if before else None
    rows = Rows(source.lake, source.snapshot, places)
    files = pieces(folder, rows, plan)
    removed = removed_tracks(source.lake, before, source.snapshot) if before else None
    if removed is not None:
        files.append(removed_piece(removed))
    batches = sum(-(-piece.rows // BATCH_ROWS) for piece in files)
    for _ in track(_write(folder, files), f"exporting {len(rows):,} tracks", batches):
        pass
    listed = [(name, piece) for piece in files for name in folder.below(piece.name)]
    checked = track(listed, "checking what was written", len(listed))
    manifest = plan | {
        "dim": source.spec.head.dim,
        "tracks": len(rows),
        "removed": len(removed) if removed is not None else 0,
        **index_of(plan, len(rows)),
        "files": [folder.file(name) | ({"rows": piece.rows} if name == piece.name else {}) for name, piece in checked],
        "encoder": json.loads(source.spec.to_json()),
        "run_id": run_id,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    folder.complete(manifest)
    return manifest


def _changed(source: Chosen, before: Snapshot) -> np.ndarray:
    found = changed_places(source.lake, before, source.snapshot)
    batches = -(-source.snapshot.tracks // BATCH_ROWS)
    return np.concatenate([np.empty(0, np.int64), *track(found, "comparing two releases", batches)])


def _write(folder: Folder, files: list[Piece]) -> Iterator[None]:
    for piece in files:
        if not kept(folder, piece):
            with folder.writing(piece.name) as path:
                yield from piece.write(path)
