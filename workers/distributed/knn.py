"""Exact nearest neighbours of all rows of a matrix, computed block by block on Ray."""

from collections.abc import Iterable, Iterator

# Imported first: it sets variables that Ray reads when it is imported.
from workers.distributed.cluster import start_ray

# isort: split
import numpy as np
import ray

from schemas.settings import Settings
from workers.distributed.parallel_map import parallel_map
from workers.metrics.knn import TopK, search_block
from workers.metrics.neighbours import unit_rows


def share_blocks(blocks: Iterable[np.ndarray], settings: Settings) -> list[ray.ObjectRef]:
    """Put blocks of vectors [rows, dim] as unit rows into Ray's object store.

    The store spills to disk what does not fit into memory.
    """
    start_ray(settings)
    return [ray.put(unit_rows(block)) for block in blocks]


def find_neighbours(blocks: list[ray.ObjectRef], queries: list[int], k: int, settings: Settings) -> Iterator[TopK]:
    """Yield the k nearest other rows of every row of the query blocks.

    `queries` are the numbers of these blocks; results come in their order, one per block. Rows are numbered over all
    blocks. All blocks but the last have the same size. A worker holds two blocks and their product in memory.
    """
    yield from parallel_map(_search_all_blocks, blocks, [(number, k) for number in queries], settings)


def _search_all_blocks(blocks: list[ray.ObjectRef], job: tuple[int, int]) -> TopK:
    query_block, k = job
    block_rows = len(ray.get(blocks[0]))
    queries = ray.get(blocks[query_block])
    best = TopK.empty(len(queries), k)
    for number, block in enumerate(blocks):
        best = search_block(best, queries, query_block * block_rows, ray.get(block), number * block_rows)
    return best
