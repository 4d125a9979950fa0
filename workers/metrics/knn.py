"""The k nearest neighbours of every row of a matrix, block by block.

One block of queries meets one block of candidates at a time, so the size of the blocks bounds the memory.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class TopK:
    """The k best candidates so far of Q queries, the best first.

    `scores` float32 and `rows` int64 are [Q, k]; empty entries are -inf and -1.
    """

    scores: np.ndarray
    rows: np.ndarray

    @classmethod
    def empty(cls, queries: int, k: int) -> "TopK":
        """Return the state before the first block."""
        return cls(np.full((queries, k), -np.inf, np.float32), np.full((queries, k), -1))


def update_top_k(best: TopK, scores: np.ndarray, first: int) -> TopK:
    """Add candidates with scores [Q, C], the rows first to first + C, to `best`.

    Blocks must come in the order of their rows. -inf excludes a candidate. Ties go to the lower row: a later candidate
    must be better than the worst kept one, and only such candidates are sorted. There are about k of them for each
    query whenever the number of candidates has doubled, so the first block is processed in pieces that double. Later
    blocks cost the product and one comparison.
    """
    k, start, size = best.scores.shape[1], 0, scores.shape[1]
    if k and np.isneginf(best.scores[:, -1]).any():
        size = 2 * k
    while k and start < scores.shape[1]:
        best = _insert_better(best, scores[:, start : start + size], first + start)
        start, size = start + size, 2 * size
    return best


def _insert_better(best: TopK, scores: np.ndarray, first: int) -> TopK:
    queries, k = best.scores.shape
    threshold = np.nextafter(best.scores[:, -1:], np.float32(np.inf))  # excludes -inf and ties with the worst kept
    query, column = np.divmod(np.flatnonzero(scores >= threshold), scores.shape[1])
    counts = np.bincount(query, minlength=queries)
    slot = k + np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    pool_scores = np.full((queries, k + counts.max(initial=0)), -np.inf, np.float32)
    pool_rows = np.full(pool_scores.shape, -1)
    pool_scores[:, :k], pool_rows[:, :k] = best.scores, best.rows
    pool_scores[query, slot], pool_rows[query, slot] = scores[query, column], first + column
    order = np.argsort(-pool_scores, axis=1, kind="stable")[:, :k]
    return TopK(np.take_along_axis(pool_scores, order, axis=1), np.take_along_axis(pool_rows, order, axis=1))


def search_block(best: TopK, queries: np.ndarray, query_start: int, block: np.ndarray, first: int) -> TopK:
    """Add one block of candidates to `best`.

    `queries` [Q, dim] are the unit rows query_start to query_start + Q, `block` [C, dim] the unit rows first to
    first + C. Scores are cosines. No row is its own neighbour.
    """
    scores = queries @ block.T
    start, stop = max(query_start, first), min(query_start + len(queries), first + len(block))
    shared = np.arange(start, stop)
    scores[shared - query_start, shared - first] = -np.inf
    return update_top_k(best, scores, first)
