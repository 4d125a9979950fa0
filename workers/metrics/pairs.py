"""Pairs of tracks that lie next to each other: each among the other's nearest of about the same length."""

from dataclasses import dataclass

import numpy as np

NEAREST = 10  # others of one recording, and what else sounds like it
BLOCK_ROWS = 1024
BLOCK_SCORES = 1 << 25  # 128 MB of float32 at once


@dataclass(frozen=True, slots=True)
class Pairs:
    """Row numbers `left` [P] and `right` [P] with their `cosines` [P]."""

    left: np.ndarray
    right: np.ndarray
    cosines: np.ndarray


@dataclass(frozen=True, slots=True)
class ByLength:
    """Unit rows [N, dim] and lengths [N] in the order of length; `order` [N] are the rows' own numbers.

    `blocks` are (start, stop, low, high): of rows start to stop all that may be of one length are in low to high.
    """

    rows: np.ndarray
    seconds: np.ndarray
    order: np.ndarray
    tolerance: float
    blocks: list[tuple[int, int, int, int]]

    @classmethod
    def of(cls, rows: np.ndarray, seconds: np.ndarray, tolerance: float) -> "ByLength":
        """Lengths that differ by at most `tolerance` seconds are about the same."""
        order = np.argsort(seconds, kind="stable")
        seconds, blocks, start = seconds[order], [], 0
        while start < len(rows):
            low = int(np.searchsorted(seconds, seconds[start] - tolerance))
            band = int(np.searchsorted(seconds, seconds[start] + tolerance, "right")) - low
            stop = min(len(rows), start + max(1, min(BLOCK_ROWS, BLOCK_SCORES // (2 * band))))
            blocks.append((start, stop, low, int(np.searchsorted(seconds, seconds[stop - 1] + tolerance, "right"))))
            start = stop
        return cls(rows[order], seconds, order, tolerance, blocks)

    def nearest(self, block: tuple[int, int, int, int], cosine: float) -> Pairs:
        """Of each row of a block its NEAREST others at least that near: exact among all of about its length."""
        start, stop, low, high = block
        scores = self.rows[start:stop] @ self.rows[low:high].T
        scores[np.abs(self.seconds[start:stop, None] - self.seconds[None, low:high]) > self.tolerance] = -np.inf
        scores[np.arange(stop - start), np.arange(start, stop) - low] = -np.inf
        count = min(NEAREST, high - low)
        best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(scores, best, axis=1)
        query, place = np.nonzero(values >= cosine)
        return Pairs(
            self.order[start + query], self.order[low + best[query, place]], values[query, place].astype(np.float32)
        )


def mutual(found: list[Pairs], rows: int) -> Pairs:
    """Of the nearest of all of N rows the pairs that were found from both sides, each once, in the rows' order."""
    left, right, cosines = (
        np.concatenate([np.zeros(0, kind), *(getattr(one, name) for one in found)])
        for name, kind in (("left", np.int64), ("right", np.int64), ("cosines", np.float32))
    )
    both = (left < right) & np.isin(left * rows + right, right * rows + left)
    order = np.lexsort((right[both], left[both]))
    return Pairs(left[both][order], right[both][order], cosines[both][order])
