"""`tonelake similar`: the exact k nearest other tracks of every track, computed on Ray."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from flows.console.progress import with_progress
from flows.export.source import ExportSource, resolve_source
from lake.catalogue.runs import RunRecord, new_run_id
from lake.export.log import record_export, require_outside
from lake.export.neighbours import NeighboursWriter, sorted_track_ids, vector_blocks
from lake.storage.lease import Lease, export_lease
from schemas.errors import UserError
from schemas.exports import SIMILAR
from schemas.log import Log
from schemas.settings import Settings

BLOCK_ROWS = 4096  # the product of two blocks is 64 MB; larger blocks are no faster


@dataclass(frozen=True, slots=True)
class NeighboursRequest:
    """The file to write, the number of neighbours, and what to read."""

    out: str
    k: int = 100
    release: int | None = None
    embedding_version: str | None = None


def write_neighbours(
    request: NeighboursRequest, settings: Settings, log: Log, *, replaces: bool = False
) -> dict[str, Any]:
    """Write track_id, neighbours and scores of every track, sorted by track_id.

    Return what the file is of, and `done`, which is False if nothing had to be written. The same vectors give the same
    file. Tracks of the same content count as neighbours. A run after a kill reuses the finished blocks. Raises
    UserError if the file is of another release, version or k, unless `replaces`.
    """
    source = resolve_source(settings, request.embedding_version, request.release)
    writer = NeighboursWriter.at(request.out, settings.s3)
    if not writer.is_started():
        require_outside(source.lake, writer.uri)
    tracks = source.snapshot.tracks
    plan = {
        "lake": source.lake.uri,
        "release": source.release,
        "embedding_version": source.spec.embedding_version,
        "k": request.k,
        "snapshot": asdict(source.snapshot),
    }
    summary = {**plan, "tracks": tracks, "file": writer.uri}
    run_id = new_run_id()
    with Lease(source.lake, export_lease(writer.uri), run_id, log):
        existing = writer.read_plan()
        if existing == plan:
            writer.remove_temporary_files()
            return summary | {"done": False}
        if not (replaces or existing is None or _is_earlier_snapshot(existing, plan)):
            raise UserError(f"{writer.uri} holds other neighbours: give another name, or --replace it")
        with RunRecord(source.lake, run_id, SIMILAR, source.spec, asdict(request)) as run:
            entry = record_export(source.lake, source.log_entry(writer.uri, SIMILAR, run_id, k=request.k))
            source.require_current()
            _write_blocks(source, writer, plan, min(request.k, tracks - 1), settings)
            record_export(source.lake, replace(entry, tracks=tracks))
            run.finish({"tracks": tracks})
    return summary | {"done": True}


def _is_earlier_snapshot(existing: dict[str, Any], plan: dict[str, Any]) -> bool:
    """Return whether a file is of the same release, from before that release was rebuilt."""
    return plan["release"] is not None and existing | {"snapshot": None} == plan | {"snapshot": None}


def _write_blocks(
    source: ExportSource, writer: NeighboursWriter, plan: dict[str, Any], k: int, settings: Settings
) -> None:
    """Compute the missing blocks, then join all of them into the file."""
    writer.start(plan)
    track_ids, order = sorted_track_ids(source.lake, source.snapshot)
    count = -(-len(order) // BLOCK_ROWS)
    missing = [block for block in range(count) if not writer.has_block(block)]
    if missing:
        from workers.distributed.knn import find_neighbours, share_blocks  # Ray takes seconds to import

        blocks = vector_blocks(source.lake, source.snapshot, order, BLOCK_ROWS)
        shared = share_blocks(with_progress(blocks, "reading vectors", count), settings)
        results = zip(missing, find_neighbours(shared, missing, k, settings), strict=True)
        for block, nearest in with_progress(results, f"nearest of {len(order):,} tracks", len(missing)):
            writer.write_block(block, track_ids, block * BLOCK_ROWS, nearest.rows, nearest.scores)
    for _ in with_progress(writer.complete(count, plan), "writing the file", count):
        pass
