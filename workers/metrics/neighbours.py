"""What a catalogue's own neighbour lists tell of an encoder version, without a label: one version at a time.

Vectors of two versions are never compared; their lists over the same tracks are.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Nearest:
    """Of Q queries: `lists` [Q, K] rows of the nearest others, the nearest first, and `twins` [Q]: the highest cosine
    to a track of different content; -inf where all content is the same, nan where the query's vector has no direction.
    """

    lists: np.ndarray
    twins: np.ndarray


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """float32 [N, dim], each row of norm 1; a row that is zero or not finite becomes zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    usable = np.isfinite(norms) & (norms > 0)
    return np.where(usable, vectors / np.where(usable, norms, 1), 0).astype(np.float32)


def nearest(rows: np.ndarray, contents: np.ndarray, queries: np.ndarray, k: int = 10) -> Nearest:
    """Unit rows [N, dim], the content of each as a number [N], queries [Q] as row numbers -> their nearest others.

    Memory is Q x N float32: give the queries in blocks. K is k, or N - 1 of fewer rows; ties go to the lower row.
    """
    scores = rows[queries] @ rows.T
    scores[np.arange(len(queries)), queries] = -np.inf
    k = min(k, len(rows) - 1)
    first = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1) if k else np.zeros((len(queries), 0), int)
    order = np.argsort(-np.take_along_axis(scores, first, axis=1), axis=1, kind="stable")
    lists = np.take_along_axis(first, order, axis=1)
    scores[contents[queries][:, None] == contents[None, :]] = -np.inf
    twins = scores.max(axis=1).astype(np.float64)
    twins[~rows[queries].any(axis=1)] = np.nan
    return Nearest(lists, twins)


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Two versions' lists [Q, K] for the same queries -> [Q]: the share of a's that are in b's, in any place."""
    return (a[:, :, None] == b[:, None, :]).any(axis=2).mean(axis=1)


def same_group_recall(lists: np.ndarray, queries: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Lists [Q, K], queries [Q], the group of each row [N], -1 for none -> [Q]: the share of a query's group among K.

    NaN for a query that has no group or is alone in it. A group of more than K others cannot reach 1.
    """
    own = groups[queries]
    sizes = np.bincount(groups[groups >= 0], minlength=1)
    others = np.where(own >= 0, sizes[own] - 1, 0)
    hits = (groups[lists] == own[:, None]).sum(axis=1)
    return np.divide(hits, others, out=np.full(len(queries), np.nan), where=others > 0)


def near_identical(twins: np.ndarray, cosine: float) -> float:
    """The share of queries with a twin nearer than `cosine`, or without a direction: what a collapsed model raises."""
    return float((np.isnan(twins) | (twins > cosine)).mean())


def rate_changes(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Which of C tags each of N tracks has, bool [N, C] by two versions -> [C]: the change of each tag's rate."""
    return after.mean(axis=0) - before.mean(axis=0)
