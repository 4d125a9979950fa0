"""Pairs of tracks that are mutual nearest neighbours among tracks of about the same length."""

from dataclasses import dataclass

import numpy as np

MAX_NEIGHBOURS = 10  # room for other encodes of a recording and for what sounds like it
BLOCK_ROWS = 1024
BLOCK_SCORES = 1 << 25  # 128 MB of float32 at once


@dataclass(frozen=True, slots=True)
class Pairs:
    """Row numbers `left` [P] and `right` [P] with their `cosines` [P]."""

    left: np.ndarray
    right: np.ndarray
    cosines: np.ndarray


@dataclass(frozen=True, slots=True)
class LengthIndex:
    """Tracks in the order of their length, searched block by block.

    `rows` [N, dim] are unit rows, `seconds` [N] their lengths, `order` [N] their original row numbers. `blocks` are
    (start, stop, low, high): all rows of about the same length as the rows start to stop are in low to high.
    """

    rows: np.ndarray
    seconds: np.ndarray
    order: np.ndarray
    tolerance: float
    blocks: list[tuple[int, int, int, int]]

    @classmethod
    def build(cls, rows: np.ndarray, seconds: np.ndarray, tolerance: float) -> "LengthIndex":
        """Build the index; lengths that differ by at most `tolerance` seconds are about the same."""
        order = np.argsort(seconds, kind="stable")
        seconds, blocks, start = seconds[order], [], 0
        while start < len(rows):
            low = int(np.searchsorted(seconds, seconds[start] - tolerance))
            band = int(np.searchsorted(seconds, seconds[start] + tolerance, "right")) - low
            stop = min(len(rows), start + max(1, min(BLOCK_ROWS, BLOCK_SCORES // (2 * band))))
            blocks.append((start, stop, low, int(np.searchsorted(seconds, seconds[stop - 1] + tolerance, "right"))))
            start = stop
        return cls(rows[order], seconds, order, tolerance, blocks)

    def search(self, block: tuple[int, int, int, int], cosine: float) -> Pairs:
        """Return each row's nearest MAX_NEIGHBOURS that have at least that cosine.

        The search is exact among all rows of about the same length.
        """
        start, stop, low, high = block
        scores = self.rows[start:stop] @ self.rows[low:high].T
        scores[np.abs(self.seconds[start:stop, None] - self.seconds[None, low:high]) > self.tolerance] = -np.inf
        scores[np.arange(stop - start), np.arange(start, stop) - low] = -np.inf
        count = min(MAX_NEIGHBOURS, high - low)
        best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(scores, best, axis=1)
        query, rank = np.nonzero(values >= cosine)
        neighbours = self.order[low + best[query, rank]]
        return Pairs(self.order[start + query], neighbours, values[query, rank].astype(np.float32))


def keep_mutual(blocks: list[Pairs], rows: int) -> Pairs:
    """Return the pairs that occur in both directions, once, in the order of the rows.

    `blocks` are the results of `search` for every block of the index, `rows` is N.
    """
    left, right, cosines = (
        np.concatenate([np.zeros(0, kind), *(getattr(pairs, name) for pairs in blocks)])
        for name, kind in (("left", np.int64), ("right", np.int64), ("cosines", np.float32))
    )
    both = (left < right) & np.isin(left * rows + right, right * rows + left)
    order = np.lexsort((right[both], left[both]))
    return Pairs(left[both][order], right[both][order], cosines[both][order])
