"""The k nearest others of every row of a matrix that is held in blocks: one block of queries, one of candidates at a
time, so that memory is bounded by the blocks however many there are.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Best:
    """For Q queries the best so far, best first: float32 `scores` and int64 `rows`, both [Q, k]; -inf and -1: none."""

    scores: np.ndarray
    rows: np.ndarray

    @classmethod
    def none(cls, queries: int, k: int) -> "Best":
        """Before the first block."""
        return cls(np.full((queries, k), -np.inf, np.float32), np.full((queries, k), -1))


def merged(best: Best, scores: np.ndarray, first: int) -> Best:
    """`best` with scores [Q, C] of the candidates of rows first to first + C; give blocks in the order of their rows.

    -inf leaves a candidate out. Ties go to the lower row: a later candidate must be better than the worst kept, and
    only those that are get sorted. That is about k a query each time the number of candidates seen has doubled, so the
    first block is taken in pieces that double; of later ones the cost is the product and one comparison.
    """
    k, start, size = best.scores.shape[1], 0, scores.shape[1]
    if k and np.isneginf(best.scores[:, -1]).any():
        size = 2 * k
    while k and start < scores.shape[1]:
        best = _with_better(best, scores[:, start : start + size], first + start)
        start, size = start + size, 2 * size
    return best


def _with_better(best: Best, scores: np.ndarray, first: int) -> Best:
    queries, k = best.scores.shape
    floor = np.nextafter(best.scores[:, -1:], np.float32(np.inf))  # above -inf too, and at most the next number
    which, column = np.divmod(np.flatnonzero(scores >= floor), scores.shape[1])
    counts = np.bincount(which, minlength=queries)
    place = k + np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    pool_scores = np.full((queries, k + counts.max(initial=0)), -np.inf, np.float32)
    pool_rows = np.full(pool_scores.shape, -1)
    pool_scores[:, :k], pool_rows[:, :k] = best.scores, best.rows
    pool_scores[which, place], pool_rows[which, place] = scores[which, column], first + column
    order = np.argsort(-pool_scores, axis=1, kind="stable")[:, :k]
    return Best(np.take_along_axis(pool_scores, order, axis=1), np.take_along_axis(pool_rows, order, axis=1))


def nearest_in(best: Best, queries: np.ndarray, own: int, block: np.ndarray, first: int) -> Best:
    """`best` after one more block of candidates: unit rows queries [Q, dim] of rows own to own + Q, block [C, dim] of
    rows first to first + C. Scores are cosines; no row is its own neighbour.
    """
    scores = queries @ block.T
    start, stop = max(own, first), min(own + len(queries), first + len(block))
    both = np.arange(start, stop)
    scores[both - own, both - first] = -np.inf
    return merged(best, scores, first)
