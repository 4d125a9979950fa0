"""A listener's interests: the tracks that they played, clustered into a few directions.

Sources: El-Kishky et al., "kNN-Embed: Locally Smoothed Embedding Mixtures for Multi-interest Candidate Retrieval",
2022, for a mixture of clusters that are weighted by their fraction of the plays, each queried for its fraction of the
candidates; Pal et al., "PinnerSage", KDD 2020, for Ward's clusters of a single listener's items, which are
deterministic.
"""

from dataclasses import dataclass

import numpy as np

MAX_INTERESTS = 10
MAX_HISTORY = 1000  # distinct tracks to cluster, those played last: their distances take 4 MB


@dataclass(frozen=True, slots=True)
class Interests:
    """The interests of one listener, the heaviest first.

    `centroids` [I, dim] are unit rows, `weights` [I] sum to 1, `labels` [N] is the interest of each played track.
    """

    centroids: np.ndarray
    weights: np.ndarray
    labels: np.ndarray


def distinct_plays(items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct items [N] and the plays of each [N].

    `items` [M] are item numbers in order of time; the result is in order of the last play. Only the last MAX_HISTORY
    distinct items are kept.
    """
    distinct, from_end, plays = np.unique(items[::-1], return_index=True, return_counts=True)
    order = np.argsort(-from_end)[-MAX_HISTORY:]
    return distinct[order], plays[order]


def find_interests(rows: np.ndarray, plays: np.ndarray, count: int | None = None) -> Interests:
    """Cluster played tracks by Ward's method.

    `rows` [N, dim] are unit vectors of the tracks, `plays` [N] how often each was played. A centroid is the mean of
    its cluster's plays, a weight its fraction of all plays. Fewer than three tracks, or tracks that are all equal, are
    a single interest.

    If `count` is None, the cut into 2 to 10 clusters with the highest mean silhouette is used, even if the silhouette
    is close to 0. A listener with many tastes has a lower silhouette than one with a single taste, and must not be
    reduced to the mean of all of them; a single taste that is cut in two is still served by both halves.
    """
    labels = _cluster(rows, count)
    fractions = np.bincount(labels, plays) / plays.sum()
    order = np.argsort(-fractions, kind="stable")
    labels = np.argsort(order)[labels]
    members = (labels[None, :] == np.arange(len(fractions))[:, None]) * plays
    sums = (members @ rows).astype(np.float32)
    centroids = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return Interests(centroids, fractions[order], labels)


def silhouette(distances: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean silhouette (Rousseeuw, 1987) of two or more clusters.

    `distances` is [N, N]; `labels` [N] number the clusters from 0. The result equals scikit-learn's, which spends nine
    tenths of its time on checking its arguments for a few dozen tracks.
    """
    is_member = labels[:, None] == np.arange(labels.max() + 1)
    sums, sizes = distances @ is_member, is_member.sum(axis=0)
    size_of_own = sizes[labels]
    inside = sums[is_member] / np.maximum(size_of_own - 1, 1)
    outside = np.where(is_member, np.inf, sums / sizes).min(axis=1)
    larger = np.maximum(np.maximum(inside, outside), 1e-12)
    return float(np.where(size_of_own > 1, (outside - inside) / larger, 0).mean())


def _cluster(rows: np.ndarray, count: int | None) -> np.ndarray:
    """Return the cluster of each row [N], numbered from 0."""
    if count == 1 or len(rows) == 1:
        return np.zeros(len(rows), int)
    from scipy.cluster.hierarchy import cut_tree, linkage
    from scipy.spatial.distance import pdist, squareform

    distances = pdist(rows)
    tree = linkage(distances, "ward")
    if count is not None:
        return cut_tree(tree, min(count, len(rows)))[:, 0]
    square, best, highest = squareform(distances), np.zeros(len(rows), int), 0.0
    counts = range(2, min(MAX_INTERESTS, len(rows) - 1) + 1)
    for labels in cut_tree(tree, counts).T if counts else ():
        score = silhouette(square, labels)
        if score > highest:
            best, highest = labels, score
    return best
