"""The principal axes of vectors: what remains of them in fewer dimensions."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Projection:
    """A mean [dim] and orthogonal axes [dim, K], the widest spread first."""

    mean: np.ndarray
    axes: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, dims: int) -> "Projection":
        """Return the `dims` principal axes of vectors [N, dim].

        They are fewer if the vectors have fewer numbers. The sign of an axis is that of its largest component, so that
        equal vectors give equal axes.
        """
        mean = vectors.mean(axis=0, dtype=np.float64)
        centred = vectors - mean
        _, axes = np.linalg.eigh(centred.T @ centred)
        axes = axes[:, ::-1][:, :dims]
        largest = np.argmax(np.abs(axes), axis=0)
        signs = np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)
        return cls(mean.astype(np.float32), (axes * signs).astype(np.float32))

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Return vectors [N, dim] on the axes, float32 [N, K]."""
        projected: np.ndarray = (vectors - self.mean) @ self.axes
        return projected
