"""Methods that continue playlists, from vectors or from other playlists.

Each returns lists [U, K] of track numbers for U tasks, the best first; K is LIST_LENGTH, and -1 follows the end of a
shorter list. A task's own seeds are never in its list.
"""

from collections.abc import Sequence

import numpy as np

from workers.metrics.continuation import LIST_LENGTH
from workers.recommend.continuation_tasks import ContinuationTask
from workers.recommend.interests import find_interests
from workers.recommend.rerank import rerank


def continue_by_popularity(counts: np.ndarray, tasks: Sequence[ContinuationTask]) -> np.ndarray:
    """Return the tracks that most playlists hold, [U, K].

    `counts` [N] is the number of playlists that hold each track.
    """
    most_seeds = max((len(task.seeds) for task in tasks), default=0)
    order = np.argsort(-counts, kind="stable")[: LIST_LENGTH + most_seeds]
    return _pad([order[~np.isin(order, task.seeds)] for task in tasks])


def continue_by_query(rows: np.ndarray, queries: np.ndarray, tasks: Sequence[ContinuationTask]) -> np.ndarray:
    """Return the tracks nearest to each query, [U, K].

    `rows` [N, dim] are unit vectors of the tracks, `queries` [U, dim] one vector for each task. Memory is U x N.
    """
    scores = queries @ rows.T
    lists = []
    for row, task in zip(scores, tasks, strict=True):
        row[task.seeds] = -np.inf
        nearest = np.sort(np.argpartition(-row, min(LIST_LENGTH, len(row)) - 1)[:LIST_LENGTH])
        nearest = nearest[np.argsort(-row[nearest], kind="stable")]
        lists.append(nearest[row[nearest] > -np.inf])
    return _pad(lists)


def continue_by_mean(rows: np.ndarray, tasks: Sequence[ContinuationTask]) -> np.ndarray:
    """Return the tracks nearest to the mean of the seeds, [U, K].

    `rows` [N, dim] are unit vectors of the tracks.
    """
    return continue_by_query(rows, np.stack([rows[task.seeds].mean(axis=0) for task in tasks]), tasks)


def continue_by_interests(
    rows: np.ndarray, tasks: Sequence[ContinuationTask], count: int | None = None, diversity: float = 0.0
) -> np.ndarray:
    """Return the tracks that `tonelake recommend` would name, [U, K].

    `rows` [N, dim] are unit vectors of the tracks. `count` is the number of interests; None finds it for each task.
    """
    lists = []
    for task in tasks:
        interests = find_interests(rows[task.seeds], np.ones(len(task.seeds), int), count)
        scores = interests.centroids @ rows.T
        scores[:, task.seeds] = -np.inf
        lists.append(rerank(scores, rows, interests.weights, LIST_LENGTH, diversity).rows)
    return _pad(lists)


def _pad(lists: list[np.ndarray]) -> np.ndarray:
    """Return the lists as [U, K]: cut at K, or filled with -1."""
    padded = np.full((len(lists), LIST_LENGTH), -1)
    for row, tracks in zip(padded, lists, strict=True):
        row[: len(tracks[:LIST_LENGTH])] = tracks[:LIST_LENGTH]
    return padded
