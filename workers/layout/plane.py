"""A plane of landmarks, and of other tracks beside their nearest landmarks."""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from workers.layout import umap_layout
from workers.layout.landmarks import LandmarkIndex
from workers.layout.placing import align, place_beside
from workers.layout.projection import Projection

DIMS = 50  # principal axes by which neighbours are found
PLACED_BY = 4  # landmarks
_GRAPH_CELLS = 64  # that a landmark is compared with
_LEAST_SHARED = 3  # tracks by which a map can be turned to an earlier one


@dataclass(frozen=True, slots=True)
class Plane:
    """Landmarks with positions float32 [N, 2], and their vectors on principal axes, in cells."""

    projection: Projection
    index: LandmarkIndex
    positions: np.ndarray

    @classmethod
    def restore(cls, vectors: np.ndarray, positions: np.ndarray) -> "Plane":
        """Return the plane of landmarks that have positions [N, 2]; `vectors` are [N, dim]."""
        with threadpool_limits(1):
            projection = Projection.fit(vectors, DIMS)
            return cls(projection, LandmarkIndex.build(projection.apply(vectors)), positions)

    @classmethod
    def lay_out(cls, vectors: np.ndarray, method: str, neighbours: int, seed: int, earlier: np.ndarray) -> "Plane":
        """Return a new layout of landmarks, whose vectors are [N, dim].

        `method` is "umap" or "pca". `earlier` [N, 2] are positions on an earlier map, NaN where there is none: the
        layout begins there, and is turned to lie as that map did.
        """
        with threadpool_limits(1):  # sums of several threads differ in their last digits
            projection = Projection.fit(vectors, DIMS)
            points = projection.apply(vectors)
            index = LandmarkIndex.build(points)
            is_shared = np.isfinite(earlier).all(axis=1)
            positions = points[:, :2]
            if positions.shape[1] < 2:
                positions = np.pad(positions, ((0, 0), (0, 2 - positions.shape[1])))
            if method == "umap" and len(points) > _LEAST_SHARED:
                start = _start(points, positions, earlier, is_shared)
                nearest = index.nearest(points, min(neighbours, len(points)), _GRAPH_CELLS)
                positions = umap_layout.lay_out(points, nearest, start, seed)
            positions = positions - positions.mean(axis=0)
            if is_shared.sum() >= _LEAST_SHARED:
                rotation, shift = align(positions[is_shared], earlier[is_shared])
                positions = positions @ rotation + shift
            return cls(projection, index, positions.astype(np.float32))

    def locate(self, vectors: np.ndarray) -> np.ndarray:
        """Return the position of each of the vectors [Q, dim], float32 [Q, 2]."""
        with threadpool_limits(1):
            points = self.projection.apply(vectors)
            return place_beside(self.index.nearest(points, min(PLACED_BY, len(self.positions))), self.positions)


def _start(points: np.ndarray, axes: np.ndarray, earlier: np.ndarray, is_shared: np.ndarray) -> np.ndarray:
    """Return where each landmark begins, [N, 2].

    Those of an earlier map begin there, the others beside their nearest of these.
    """
    if is_shared.sum() < max(_LEAST_SHARED, len(points) // 4):
        return axes
    start = earlier.copy()
    known = LandmarkIndex.build(points[is_shared])
    nearest = known.nearest(points[~is_shared], min(PLACED_BY, int(is_shared.sum())))
    start[~is_shared] = place_beside(nearest, earlier[is_shared])
    return start - start.mean(axis=0)
