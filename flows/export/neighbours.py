"""The nearest other tracks of every track, as one Parquet file: exact, in blocks on Ray."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from flows.console.progress import track
from flows.export.export import Chosen, chosen, lease_name
from lake.catalogue.runs import RunRecord, new_run_id
from lake.export.log import record, require_outside
from lake.export.neighbours import File, blocks_of, order_of
from lake.releases.releases import Say
from lake.storage.lease import Lease
from schemas.errors import UserError
from schemas.exports import SIMILAR
from schemas.settings import Settings

BLOCK_ROWS = 4096  # a product of two is 64 MB; larger blocks are no faster


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Which neighbours go to which file."""

    out: str
    k: int = 100
    number: int | None = None
    embedding_version: str | None = None


def similar(request: Neighbours, settings: Settings, say: Say, *, replaces: bool = False) -> dict[str, Any]:
    """Writes track_id, neighbours and scores of every track, sorted by track_id; says what it is of, and `done`.

    The same vectors give the same file. Tracks of the same content count as neighbours. A killed one goes on with the
    blocks it has. UserError where the file is of another release, version or k, unless it is to be replaced.
    """
    source = chosen(settings, request.embedding_version, request.number)
    file = File.at(request.out, settings.s3)
    if not file.is_begun():
        require_outside(source.lake, file.uri)
    k = min(request.k, source.snapshot.tracks - 1)
    plan = {
        "lake": source.lake.uri,
        "release": source.release,
        "embedding_version": source.spec.embedding_version,
        "k": request.k,
        "snapshot": asdict(source.snapshot),
    }
    told = {**plan, "tracks": source.snapshot.tracks, "file": file.uri}
    with Lease(source.lake, lease_name(file.uri), run_id := new_run_id(), say):
        there = file.plan()
        if there == plan:
            file.settle()
            return told | {"done": False}
        rebuilt = there is None or (plan["release"] and there | {"snapshot": None} == plan | {"snapshot": None})
        if not (replaces or rebuilt):
            raise UserError(f"{file.uri} holds other neighbours: give another name, or --replace it")
        with RunRecord(source.lake, run_id, SIMILAR, source.spec, asdict(request)) as book:
            row = record(source.lake, source.export(file.uri, SIMILAR, run_id, k=request.k))
            source.require_current()
            _written(source, file, plan, k, settings)
            record(source.lake, replace(row, tracks=source.snapshot.tracks))
            book.done({"tracks": source.snapshot.tracks})
    return told | {"done": True}


def _written(source: Chosen, file: File, plan: dict[str, Any], k: int, settings: Settings) -> None:
    file.begin(plan)
    names, order = order_of(source.lake, source.snapshot)
    count = -(-len(order) // BLOCK_ROWS)
    todo = [block for block in range(count) if not file.has(block)]
    if todo:
        from workers.distributed.cluster import (  # Ray takes seconds: not where all parts are there
            neighbours,
            shared_blocks,
        )

        blocks = blocks_of(source.lake, source.snapshot, order, BLOCK_ROWS)
        shared = shared_blocks(track(blocks, "reading vectors", count), settings)
        found = zip(todo, neighbours(shared, todo, k, settings), strict=True)
        for block, best in track(found, f"nearest of {len(order):,} tracks", len(todo)):
            file.add(block, names, block * BLOCK_ROWS, best.rows, best.scores)
    for _ in track(file.complete(count, plan), "writing the file", count):
        pass
