"""How the parts of a query score a track together.

The rule was chosen by `python -m tests.benchmarks.blend`; docs/search.md has its figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

POOL = 1000  # candidates of a blend, at least: docs/search.md says how often they hold its ten best tracks
SAMPLE = 1024  # tracks that say what an ordinary track scores
TOLERATED = 1.0  # standard deviations above the mean: so much likeness to a dislike costs nothing
DISLIKE = 0.75  # what each further standard deviation costs
_LEAST_SPREAD = 0.02  # of a lake whose tracks are all alike


@dataclass(frozen=True, slots=True)
class Blend:
    """What the parts of a query want of a track.

    It should be like all likes, and not clearly like a dislike. `likes` [L, dim] and `dislikes` [D, dim] are unit
    vectors, their weights [L] and [D] above 0. `means` and `spreads` [L + D] are those of each part's cosine with
    ordinary tracks, the likes first.
    """

    likes: np.ndarray
    dislikes: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    spreads: np.ndarray

    @classmethod
    def of(cls, vectors: Sequence[np.ndarray], weights: Sequence[float], sample: np.ndarray) -> "Blend":
        """Return the blend of unit vectors [dim] with weights from -1 to 1.

        `sample` [S, dim] are vectors of ordinary tracks. Without likes, a dislike is a like of what is opposite. Parts
        of weight 0 do not count; one part at least does.
        """
        parts, signed = np.stack(vectors).astype(np.float32), np.asarray(weights, float)
        if not (signed > 0).any():
            parts, signed = -parts, -signed
        likes, dislikes = parts[signed > 0], parts[signed < 0]
        sample = sample if len(sample) else np.zeros((1, parts.shape[1]), np.float32)  # a lake without tracks
        cosines = sample @ np.concatenate([likes, dislikes]).T
        spreads = np.maximum(cosines.std(axis=0), _LEAST_SPREAD)
        absolute = np.concatenate([signed[signed > 0], -signed[signed < 0]])
        return cls(likes, dislikes, absolute, cosines.mean(axis=0), spreads)

    @property
    def vector(self) -> np.ndarray:
        """The unit vector, float32 [dim], whose nearest tracks are the candidates.

        The cosine with it orders tracks by the weighted sum of the standardised cosines with the likes.
        """
        count = len(self.likes)
        total = (self.weights[:count] / self.spreads[:count]) @ self.likes
        return np.asarray(total / max(float(np.linalg.norm(total)), 1e-12), np.float32)

    def score(self, tracks: np.ndarray) -> np.ndarray:
        """Return the scores of unit vectors [N, dim], [N] from -1 to 1.

        Each cosine counts in standard deviations from its mean over ordinary tracks. A soft minimum joins the likes:
        the one that a track is least like counts most. The likes' average mean and spread bring the result back to the
        scale of a cosine; of one like alone it is the cosine.
        """
        count = len(self.likes)
        standing = (tracks @ np.concatenate([self.likes, self.dislikes]).T - self.means) / self.spreads
        weights = self.weights[:count] / self.weights[:count].sum()
        lowest = standing[:, :count].min(axis=1, keepdims=True)  # taken off, so that no exponential overflows
        joined = lowest[:, 0] - np.log(np.exp(lowest - standing[:, :count]) @ weights)
        excess = np.maximum(standing[:, count:] - TOLERATED, 0) @ self.weights[count:]
        mean, spread = weights @ self.means[:count], weights @ self.spreads[:count]
        return np.clip(mean + spread * (joined - DISLIKE * excess), -1, 1)
