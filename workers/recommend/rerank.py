"""Candidates of several interests, merged into one list.

Each interest gets its quota at every length of the list; diversity is optional.

Sources: El-Kishky et al., "kNN-Embed", 2022, for the quotas; Carbonell and Goldstein, "The Use of MMR, Diversity-Based
Reranking", SIGIR 1998, for the choice within an interest.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class RankedTracks:
    """Recommended tracks, the best first.

    `rows` [K] are track numbers, `interests` [K] the interest that each was chosen for, `scores` [K] its cosine to it.
    """

    rows: np.ndarray
    interests: np.ndarray
    scores: np.ndarray


def pool_size(k: int) -> int:
    """Return how many nearest tracks of each interest are candidates for a list of k.

    More than k, because other interests take some and diversity skips some.
    """
    return k + 100


@dataclass(frozen=True, slots=True)
class GroupLimit:
    """At most `limit` tracks of one group. `groups` int [N] is the group of each track, -1 for none."""

    groups: np.ndarray
    limit: int


def rerank(
    scores: np.ndarray,
    rows: np.ndarray,
    weights: np.ndarray,
    k: int,
    diversity: float = 0.0,
    limit: GroupLimit | None = None,
) -> RankedTracks:
    """Choose at most k tracks, none twice.

    `scores` [I, N] are cosines of interests and tracks, -inf for a track that must not be chosen. `rows` [N, dim] are
    unit vectors of the tracks, `weights` [I] the interests' weights. With a `limit` every track is a candidate, else
    the `pool_size` nearest of each interest.

    The next track belongs to the interest that is furthest below its quota, its weight's fraction of the list. It is
    the track of that interest with the highest (1 - diversity) x cosine to the interest - diversity x highest cosine
    to a track chosen before.
    """
    pool, scores = _nearest_tracks(scores, scores.shape[1] if limit else pool_size(k))
    rows = rows[pool] if diversity else rows
    relevance = (1 - diversity) * scores
    redundancy = np.zeros(len(pool), np.float32)  # highest cosine to a track chosen before
    shortfall = np.zeros(len(weights))  # how far each interest is below its quota; -inf if it has no tracks left
    chosen: list[int] = []
    chosen_for: list[int] = []
    left = np.full(limit.groups.max(initial=-1) + 1, limit.limit) if limit else np.zeros(0, int)  # of each group
    while len(chosen) < min(k, len(pool)):
        interest = int(np.argmax(shortfall + weights))
        gain = relevance[interest] - diversity * redundancy if diversity else relevance[interest]
        best = int(np.argmax(gain))
        if relevance[interest, best] == -np.inf:
            shortfall[interest] = -np.inf
            if not np.isfinite(shortfall).any():
                break
            continue
        chosen.append(best)
        chosen_for.append(interest)
        shortfall += weights
        shortfall[interest] -= 1
        relevance[:, best] = -np.inf
        if limit and (group := limit.groups[best]) >= 0:
            left[group] -= 1
            if not left[group]:
                relevance[:, limit.groups == group] = -np.inf
        if diversity:
            cosines = rows @ rows[best]
            redundancy = cosines if len(chosen) == 1 else np.maximum(redundancy, cosines)
    indices, interests = np.array(chosen, int), np.array(chosen_for, int)
    return RankedTracks(pool[indices], interests, scores[interests, indices])


def _nearest_tracks(scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the tracks [P] nearest to any interest and their scores [I, P].

    These are the `count` nearest of each interest, in the order of the columns. A score is -inf if the track is not
    among the interest's own `count` nearest.
    """
    if scores.shape[1] <= count:
        return np.arange(scores.shape[1]), scores
    nearest = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    pool = np.unique(nearest)
    pool_scores = np.full((len(scores), len(pool)), -np.inf, scores.dtype)
    columns = np.searchsorted(pool, nearest)
    np.put_along_axis(pool_scores, columns, np.take_along_axis(scores, nearest, axis=1), axis=1)
    return pool, pool_scores
