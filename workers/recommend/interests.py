"""What a listener likes, as a few directions: the tracks they played, clustered.

Sources: El-Kishky et al., "kNN-Embed: Locally Smoothed Embedding Mixtures for Multi-interest Candidate Retrieval",
2022 (a mixture of clusters, weighted by their share of the listening, each asked for its share of the candidates);
Ward's clusters of one listener's own items, deterministic, are from Pal et al., "PinnerSage", KDD 2020.
"""

from dataclasses import dataclass

import numpy as np

MOST = 10  # interests that are looked for
RECENT = 1000  # distinct tracks that are clustered, the last ones played: their distances are 4 MB


@dataclass(frozen=True, slots=True)
class Interests:
    """Of one listener, the heaviest first: `centroids` unit rows [I, dim], `weights` [I] that sum to 1.

    `labels` [N] is the interest of each track that they came from.
    """

    centroids: np.ndarray
    weights: np.ndarray
    labels: np.ndarray


def listened(items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Plays [M] in order of time, items as numbers -> the distinct ones [N] in order of their last play, and how often
    each was played [N]. N is at most RECENT: what was played last.
    """
    distinct, from_end, plays = np.unique(items[::-1], return_index=True, return_counts=True)
    order = np.argsort(-from_end)[-RECENT:]
    return distinct[order], plays[order]


def interests(rows: np.ndarray, plays: np.ndarray, number: int | None = None) -> Interests:
    """Unit rows [N, dim] of the tracks and how often each was played [N] -> Ward's clusters of them.

    A cluster's centroid is the mean of its plays, its weight its share of them. Without a `number`, the cut into 2 to
    10 with the highest mean silhouette is taken, however near to 0: a listener of everything shows less of it than one
    of a single taste, and must not become the mean of everything, while a taste cut in two is found by both halves.
    Fewer than three tracks, or tracks all alike, are a single interest.
    """
    labels = _labels(rows, number)
    shares = np.bincount(labels, plays) / plays.sum()
    order = np.argsort(-shares, kind="stable")
    labels = np.argsort(order)[labels]
    members = (labels[None, :] == np.arange(len(shares))[:, None]) * plays
    sums = (members @ rows).astype(np.float32)
    return Interests(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12), shares[order], labels)


def silhouette(distances: np.ndarray, labels: np.ndarray) -> float:
    """Distances [N, N], two or more clusters numbered from 0 [N] -> the mean silhouette (Rousseeuw, 1987).

    As scikit-learn's, which spends nine tenths of its time on a few dozen tracks in checking its arguments.
    """
    member = labels[:, None] == np.arange(labels.max() + 1)
    sums, sizes = distances @ member, member.sum(axis=0)
    own = sizes[labels]
    inside = sums[member] / np.maximum(own - 1, 1)
    outside = np.where(member, np.inf, sums / sizes).min(axis=1)
    furthest = np.maximum(np.maximum(inside, outside), 1e-12)
    return float(np.where(own > 1, (outside - inside) / furthest, 0).mean())


def _labels(rows: np.ndarray, number: int | None) -> np.ndarray:
    """[N]: clusters numbered from 0."""
    if number == 1 or len(rows) == 1:
        return np.zeros(len(rows), int)
    from scipy.cluster.hierarchy import cut_tree, linkage
    from scipy.spatial.distance import pdist, squareform

    distances = pdist(rows)
    tree = linkage(distances, "ward")
    if number is not None:
        return cut_tree(tree, min(number, len(rows)))[:, 0]
    square, best, highest = squareform(distances), np.zeros(len(rows), int), 0.0
    wanted = range(2, min(MOST, len(rows) - 1) + 1)
    for labels in cut_tree(tree, wanted).T if wanted else ():
        if (found := silhouette(square, labels)) > highest:
            best, highest = labels, found
    return best
