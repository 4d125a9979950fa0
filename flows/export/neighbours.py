"""The files of an export of neighbours: exact search of all tracks, computed on Ray."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from flows.console.progress import with_progress
from flows.export.source import ExportSource
from lake.export.folder import ExportFolder
from lake.export.formats import OutputFile, is_reusable, rows_metadata
from lake.export.neighbours import sorted_track_ids, vector_blocks, write_block
from schemas.settings import Settings
from workers.metrics.knn import TopK

BLOCK_ROWS = 4096  # the product of two blocks is 64 MB; larger blocks are no faster


def plan_neighbours(
    folder: ExportFolder,
    source: ExportSource,
    plan: dict[str, Any],
    settings: Settings,
    indices: np.ndarray | None = None,
) -> list[OutputFile]:
    """Return a part for each block of tracks: their k nearest other tracks.

    With `indices` int [N], only those rows of the snapshot are compared. Tracks are sorted by track_id. The same
    vectors give the same lists; tracks of the same content count as neighbours. Ray begins to search for the missing
    parts here, and they must be written in their order.
    """
    track_ids, order = sorted_track_ids(source.lake, source.snapshot, indices)

    def write(block: int, metadata: bytes, path: str) -> Iterator[None]:
        nearest = next(nearest for number, nearest in results if number == block)
        write_block(path, metadata, track_ids, block * BLOCK_ROWS, nearest.rows, nearest.scores)
        yield

    files = []
    for block, start in enumerate(range(0, max(1, len(order)), BLOCK_ROWS)):
        stop = min(len(order), start + BLOCK_ROWS)
        metadata = rows_metadata(plan, start, stop)
        files.append(OutputFile(f"part-{block:05d}.parquet", stop - start, partial(write, block, metadata), metadata))
    missing = [block for block, file in enumerate(files) if not is_reusable(folder, file)]
    results = _search_blocks(source, order, missing, plan["k"], settings)
    return files


def _search_blocks(
    source: ExportSource, order: np.ndarray, missing: list[int], k: int, settings: Settings
) -> Iterator[tuple[int, TopK]]:
    """Return number and nearest tracks of each missing block, in their order."""
    if not len(order):
        return iter([(0, TopK.empty(0, 0))])
    if not missing:
        return iter(())
    from workers.distributed.knn import find_neighbours, share_blocks  # Ray takes seconds to import

    blocks = vector_blocks(source.lake, source.snapshot, order, BLOCK_ROWS)
    shared = share_blocks(with_progress(blocks, "reading vectors", -(-len(order) // BLOCK_ROWS)), settings)
    return zip(missing, find_neighbours(shared, missing, min(k, len(order) - 1), settings), strict=True)
