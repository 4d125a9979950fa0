"""Candidates of several interests in one list: each interest its share, at every length; diverse where asked.

Sources: El-Kishky et al., "kNN-Embed", 2022, for the shares; Carbonell and Goldstein, "The Use of MMR, Diversity-Based
Reranking", SIGIR 1998, for the choice within an interest.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Recommended:
    """The first is the best: rows [K], the interest that each was chosen for [K], and its cosine to it [K]."""

    rows: np.ndarray
    interests: np.ndarray
    scores: np.ndarray


def candidates(k: int) -> int:
    """How many of the nearest are looked at for each interest: others may take some, diversity passes over some."""
    return k + 100


def recommended(
    scores: np.ndarray, rows: np.ndarray, weights: np.ndarray, k: int, diversity: float = 0.0
) -> Recommended:
    """Cosines [I, N] of interests and tracks, -inf for a track that must not be named; unit rows [N, dim] of the
    tracks; weights [I] -> at most k tracks, none twice.

    The next track is of the interest that is furthest below its weight's share, and of its tracks the highest in
    (1 - diversity) x cosine to the interest - diversity x the highest cosine to a track chosen before.
    """
    pool, scores = _nearest(scores, candidates(k))
    rows = rows[pool] if diversity else rows
    gain = (1 - diversity) * scores
    likeness, due = np.zeros(len(pool), np.float32), np.zeros(len(weights))  # `due` -inf: nothing is left
    chosen: list[int] = []
    chosen_for: list[int] = []
    while len(chosen) < min(k, len(pool)):
        one = int(np.argmax(due + weights))
        best = int(np.argmax(gain[one] - diversity * likeness if diversity else gain[one]))
        if gain[one, best] == -np.inf:
            due[one] = -np.inf
            if not np.isfinite(due).any():
                break
            continue
        chosen.append(best)
        chosen_for.append(one)
        due += weights
        due[one] -= 1
        gain[:, best] = -np.inf
        if diversity:
            alike = rows @ rows[best]
            likeness = alike if len(chosen) == 1 else np.maximum(likeness, alike)
    place, whose = np.array(chosen, int), np.array(chosen_for, int)
    return Recommended(pool[place], whose, scores[whose, place])


def _nearest(scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The columns that are among an interest's `count` highest, in order, and their scores, -inf where not."""
    if scores.shape[1] <= count:
        return np.arange(scores.shape[1]), scores
    first = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    pool = np.unique(first)
    kept = np.full((len(scores), len(pool)), -np.inf, scores.dtype)
    np.put_along_axis(kept, np.searchsorted(pool, first), np.take_along_axis(scores, first, axis=1), axis=1)
    return pool, kept
