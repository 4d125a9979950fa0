"""Label-free statistics of an encoder version, from the neighbour lists of a catalogue.

Vectors of two versions are never compared; their neighbour lists of the same tracks are.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class NearestNeighbours:
    """The neighbours of Q queries.

    `lists` [Q, K] are the rows of the nearest tracks, the nearest first. `twin_cosines` [Q] is the highest cosine to a
    track of different content: -inf if all content is the same, NaN if the query's vector has no direction.
    """

    lists: np.ndarray
    twin_cosines: np.ndarray


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Return rows [N, dim] of norm 1, float32; zero or non-finite rows become zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    usable = np.isfinite(norms) & (norms > 0)
    return np.where(usable, vectors / np.where(usable, norms, 1), 0).astype(np.float32)


def find_nearest(rows: np.ndarray, contents: np.ndarray, queries: np.ndarray, k: int = 10) -> NearestNeighbours:
    """Return the nearest neighbours of the rows `queries` [Q].

    `rows` [N, dim] are unit rows, `contents` [N] numbers the content of each. K is k, or N - 1 if there are fewer
    rows. Ties go to the lower row. Memory is Q x N float32: pass the queries in blocks.
    """
    scores = rows[queries] @ rows.T
    scores[np.arange(len(queries)), queries] = -np.inf
    k = min(k, len(rows) - 1)
    first = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1) if k else np.zeros((len(queries), 0), int)
    order = np.argsort(-np.take_along_axis(scores, first, axis=1), axis=1, kind="stable")
    lists = np.take_along_axis(first, order, axis=1)
    scores[contents[queries][:, None] == contents[None, :]] = -np.inf
    twin_cosines = scores.max(axis=1).astype(np.float64)
    twin_cosines[~rows[queries].any(axis=1)] = np.nan
    return NearestNeighbours(lists, twin_cosines)


def occurrences(lists: np.ndarray, count: int) -> np.ndarray:
    """Return in how many lists each of `count` rows stands, [count].

    Source of the name k-occurrence: Radovanović, Nanopoulos and Ivanović, "Hubs in Space", JMLR 11, 2010. `lists` are
    [Q, K].
    """
    return np.bincount(lists.ravel(), minlength=count)


def skewness(values: np.ndarray) -> float:
    """Return the third standardised moment of values [N].

    It is 0 if all are equal or there are none. Of occurrences, it is large if a few rows stand in very many lists.
    """
    if not len(values) or not np.ptp(values):
        return 0.0
    deviations = values - values.mean()
    return float((deviations**3).mean() / values.std() ** 3)


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the fraction of each list of `a` that is in `b`'s, [Q].

    `a` and `b` are lists [Q, K] of two versions for the same queries; order does not count.
    """
    return (a[:, :, None] == b[:, None, :]).any(axis=2).mean(axis=1)


def same_group_recall(lists: np.ndarray, queries: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the fraction of each query's group that is in its list, [Q].

    The query itself does not count. `lists` [Q, K], `queries` [Q]; `groups` [N] is the group of each row, -1 for none.
    NaN for a query that has no group or is its only member. A group with more than K other members cannot reach 1.
    """
    group = groups[queries]
    sizes = np.bincount(groups[groups >= 0], minlength=1)
    others = np.where(group >= 0, sizes[group] - 1, 0)
    hits = (groups[lists] == group[:, None]).sum(axis=1)
    return np.divide(hits, others, out=np.full(len(queries), np.nan), where=others > 0)


def near_identical(twin_cosines: np.ndarray, cosine: float) -> float:
    """Return the fraction of queries with a twin above `cosine`, or without a direction.

    `twin_cosines` [Q]. A collapsed model has a high fraction.
    """
    return float((np.isnan(twin_cosines) | (twin_cosines > cosine)).mean())


def rate_changes(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the change of each tag's rate, [C].

    `before` and `after` are bool [N, C]: which tracks have which tags by two versions.
    """
    return after.mean(axis=0) - before.mean(axis=0)
