"""Ways to continue a playlist from vectors and from other playlists: each gives lists of CANDIDATES numbers."""

from collections.abc import Sequence

import numpy as np

from workers.metrics.continuation import CANDIDATES
from workers.recommend.continuation_tasks import Task
from workers.recommend.interests import interests
from workers.recommend.rerank import recommended


def by_popularity(counts: np.ndarray, tasks: Sequence[Task]) -> np.ndarray:
    """How many playlists hold each track [N] -> lists [U, K] of the most held that are not shown already."""
    most = max((len(task.seeds) for task in tasks), default=0)
    order = np.argsort(-counts, kind="stable")[: CANDIDATES + most]
    return _padded([order[~np.isin(order, task.seeds)] for task in tasks])


def by_query(rows: np.ndarray, queries: np.ndarray, tasks: Sequence[Task]) -> np.ndarray:
    """Unit rows [N, dim], a vector [U, dim] for each playlist -> lists [U, K] of the nearest. Memory is U x N."""
    scores = queries @ rows.T
    lists = []
    for row, task in zip(scores, tasks, strict=True):
        row[task.seeds] = -np.inf
        first = np.sort(np.argpartition(-row, min(CANDIDATES, len(row)) - 1)[:CANDIDATES])
        first = first[np.argsort(-row[first], kind="stable")]
        lists.append(first[row[first] > -np.inf])
    return _padded(lists)


def by_mean(rows: np.ndarray, tasks: Sequence[Task]) -> np.ndarray:
    """The single vector: the mean of what is shown."""
    return by_query(rows, np.stack([rows[task.seeds].mean(axis=0) for task in tasks]), tasks)


def by_interests(
    rows: np.ndarray, tasks: Sequence[Task], number: int | None = None, diversity: float = 0.0
) -> np.ndarray:
    """As `tonelake recommend`: lists [U, K]."""
    lists = []
    for task in tasks:
        one = interests(rows[task.seeds], np.ones(len(task.seeds), int), number)
        scores = one.centroids @ rows.T
        scores[:, task.seeds] = -np.inf
        lists.append(recommended(scores, rows, one.weights, CANDIDATES, diversity).rows)
    return _padded(lists)


def _padded(lists: list[np.ndarray]) -> np.ndarray:
    """[U, K], -1 after the end of a list."""
    padded = np.full((len(lists), CANDIDATES), -1)
    for row, one in zip(padded, lists, strict=True):
        row[: len(one[:CANDIDATES])] = one[:CANDIDATES]
    return padded
