"""Positions that follow from other positions: those of neighbours, and those of an earlier map."""

import numpy as np
from scipy.linalg import orthogonal_procrustes

from workers.layout.landmarks import Nearest

_LEAST_DISTANCE = 1e-6
_SHARPNESS = 4.0  # of weights; docs/map.md has what other values give


def place_beside(nearest: Nearest, positions: np.ndarray) -> np.ndarray:
    """Return the mean position of each point's nearest landmarks, float32 [Q, 2].

    `positions` [N, 2] are those of the landmarks. A weight falls with the distance in comparison with the nearest one,
    as in UMAP: a point between two regions lies in the nearer one, not in the middle.
    """
    spans = nearest.distances - nearest.distances[:, :1]
    is_known = nearest.rows >= 0
    spans = np.where(is_known, spans, np.inf)
    scale = np.where(is_known, spans, 0).sum(axis=1, keepdims=True) / np.maximum(is_known.sum(axis=1), 1)[:, None]
    weights = np.exp(-_SHARPNESS * spans / np.maximum(scale, _LEAST_DISTANCE))
    weights = weights / weights.sum(axis=1, keepdims=True)
    placed = np.einsum("qk,qkd->qd", weights, positions[nearest.rows])
    return placed.astype(np.float32)


def align(positions: np.ndarray, earlier: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rotation [2, 2] and shift [2] that bring positions to earlier ones.

    Both positions are [N, 2]. Nothing is scaled. A mirrored map is turned over too. Source: P. Schönemann, "A
    generalized solution of the orthogonal Procrustes problem", 1966.
    """
    centre, earlier_centre = positions.mean(axis=0), earlier.mean(axis=0)
    rotation, _ = orthogonal_procrustes(positions - centre, earlier - earlier_centre)
    return rotation, earlier_centre - centre @ rotation
