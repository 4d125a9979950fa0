"""A path of tracks from one to another, in even steps.

Sources: Flexer et al., "Playlist Generation Using Start and End Songs", ISMIR 2008, for the task. Here the points of
the path lie on the great circle between both vectors (Shoemake, "Animating Rotation with Quaternion Curves", 1985),
and tracks are assigned to points by the Hungarian method (Kuhn, 1955).
"""

import numpy as np

from workers.recommend.rerank import GroupLimit

_SMALL_ANGLE = 1e-4  # radians, where the great circle is a line


def points_between(start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """Return `count` unit vectors between two unit vectors [dim], in equal angles, float32 [count, dim].

    Both ends are left out.
    """
    angle = float(np.arccos(np.clip(start @ end, -1, 1)))
    fractions = np.arange(1, count + 1)[:, None] / (count + 1)
    if angle < _SMALL_ANGLE:
        points = (1 - fractions) * start + fractions * end
    else:
        points = np.sin((1 - fractions) * angle) * start + np.sin(fractions * angle) * end
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.maximum(lengths, 1e-12), np.float32)


def choose_path(start: np.ndarray, end: np.ndarray, count: int, rows: np.ndarray, limit: GroupLimit) -> np.ndarray:
    """Return the tracks of a path between two others, none twice, int [at most count].

    `rows` [N, dim] are unit vectors of the candidates. Each point of the path gets a track, so that the sum of the
    cosines is the highest. If a group has more than its limit, its worst track is no candidate any more. Candidates
    that do not suffice make a path of fewer points.
    """
    from scipy.optimize import linear_sum_assignment

    candidates = np.arange(len(rows))
    while len(candidates):
        points = points_between(start, end, min(count, len(candidates)))
        cosines = points @ rows[candidates].T
        chosen = linear_sum_assignment(-cosines)[1]
        fits = cosines[np.arange(len(points)), chosen]
        groups = limit.groups[candidates[chosen]]
        sizes = np.bincount(groups[groups >= 0], minlength=1)
        is_over = (groups >= 0) & (sizes[groups] > limit.limit)
        if not is_over.any():
            return candidates[chosen]
        candidates = np.delete(candidates, chosen[np.argmin(np.where(is_over, fits, np.inf))])
    return candidates
