"""The nearest landmarks of points, found cell by cell.

A landmark is a track that a layout has placed. A cell is what lies nearest to one of the first landmarks. A point is
compared with the landmarks of its own cell and of the cells near to it, not with all of them.
"""

from dataclasses import dataclass

import numpy as np

CELLS = 256
NEAR_CELLS = 24  # that a point is compared with; docs/map.md has what that finds
_ROUNDS = 8  # of k-means
_LANDMARKS_A_CELL = 8  # at least, on average


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest landmarks of Q points, the nearest first.

    `rows` int64 and `distances` float32 are [Q, K]. Where a point has fewer than K of them, the row is -1 and the
    distance infinite.
    """

    rows: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True, slots=True)
class LandmarkIndex:
    """Landmarks [N, dim] in cells.

    `members` are the rows of each cell, `near` [C, C] all cells in the order of their distance to each.
    """

    points: np.ndarray
    centres: np.ndarray
    members: tuple[np.ndarray, ...]
    near: np.ndarray

    @classmethod
    def build(cls, points: np.ndarray) -> "LandmarkIndex":
        """Return the index of landmarks [N, dim], which are in random order."""
        count = max(1, min(CELLS, len(points) // _LANDMARKS_A_CELL))
        centres = points[:count]
        for _ in range(_ROUNDS):
            centres = _cell_means(points, nearest_row(points, centres), centres)
        cells = nearest_row(points, centres)
        members = tuple(np.flatnonzero(cells == cell) for cell in range(count))
        near = np.argsort(squared_distances(centres, centres), axis=1, kind="stable")
        return cls(points, centres, members, near)

    def nearest(self, queries: np.ndarray, k: int, near_cells: int = NEAR_CELLS) -> Nearest:
        """Return the k nearest landmarks of queries [Q, dim]; a landmark finds itself."""
        rows = np.full((len(queries), k), -1)
        distances = np.full((len(queries), k), np.inf, np.float32)
        cells = nearest_row(queries, self.centres)
        for cell in np.unique(cells):
            candidates = np.concatenate([self.members[index] for index in self.near[cell, :near_cells]])
            asking = np.flatnonzero(cells == cell)
            squares = squared_distances(queries[asking], self.points[candidates])
            count = min(k, len(candidates))
            first = np.sort(np.argpartition(squares, count - 1, axis=1)[:, :count], axis=1)
            kept = np.take_along_axis(squares, first, axis=1)
            order = np.argsort(kept, axis=1, kind="stable")
            rows[asking, :count] = candidates[np.take_along_axis(first, order, axis=1)]
            distances[asking, :count] = np.sqrt(np.take_along_axis(kept, order, axis=1))
        return Nearest(rows, distances)


def squared_distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return squared Euclidean distances, float32 [N, M], of points [N, dim] and others [M, dim]."""
    products = points @ others.T
    squares = (points**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * products
    return np.maximum(squares, 0)


def nearest_row(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the row of the nearest of `others` [M, dim] to each point, int64 [N]."""
    return np.argmin(squared_distances(points, others), axis=1)


def _cell_means(points: np.ndarray, cells: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the mean of the points of each cell; an empty cell keeps its centre."""
    counts = np.bincount(cells, minlength=len(centres))
    sums = np.stack([np.bincount(cells, column, len(centres)) for column in points.T], axis=1)
    means = sums / np.maximum(counts, 1)[:, None]
    return np.where(counts[:, None] > 0, means, centres).astype(np.float32)
