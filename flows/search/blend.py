"""How the parts of a query become one vector."""

from collections.abc import Sequence

import numpy as np


def blend(vectors: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Return the unit vector of a weighted sum of unit vectors [dim], float32 [dim]."""
    vector = np.sum([weight * vector for vector, weight in zip(vectors, weights, strict=True)], axis=0)
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)
