"""Item-to-item recommendation from listening histories: the rank of a user's last track.

The query is the mean of the user's other tracks. Leave-last-out is the usual evaluation of sequential recommenders
(Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018); here every other track is a candidate, and
none is sampled.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_TIE = np.float32(1e-6)  # equal rows must tie, though their products can differ in the last bits


@dataclass(frozen=True, slots=True)
class Histories:
    """The listening histories of U users.

    `users` [U] are their numbers, `targets` [U] their last tracks. The other distinct tracks of user u, at least one,
    are `items[starts[u]:starts[u + 1]]`.
    """

    users: np.ndarray
    targets: np.ndarray
    items: np.ndarray
    starts: np.ndarray

    def blocks(self, size: int) -> Iterator["Histories"]:
        """Yield the histories of at most `size` users at a time."""
        for first in range(0, len(self.users), size):
            starts = self.starts[first : first + size + 1]
            part = slice(first, first + size)
            yield Histories(
                self.users[part], self.targets[part], self.items[starts[0] : starts[-1]], starts - starts[0]
            )


def leave_last_out(users: np.ndarray, items: np.ndarray) -> Histories:
    """Return the histories of the users with two or more distinct items.

    `users` and `items` [M] are numbers from 0, in order of time for each user. Only the last occurrence of a user's
    item counts, so that no target is in its own history.
    """
    pairs = users.astype(np.int64) * (int(items.max(initial=0)) + 1) + items
    _, from_end = np.unique(pairs[::-1], return_index=True)
    kept = np.sort(len(pairs) - 1 - from_end)
    kept = kept[np.argsort(users[kept], kind="stable")]
    users, items = users[kept], items[kept]
    distinct_users, starts, counts = np.unique(users, return_index=True, return_counts=True)
    is_last = np.zeros(len(users), bool)
    is_last[starts + counts - 1] = True
    has_history = counts > 1
    in_history = np.repeat(has_history, counts)
    lengths = counts[has_history] - 1
    return Histories(
        users=distinct_users[has_history],
        targets=items[is_last & in_history],
        items=items[~is_last & in_history],
        starts=np.concatenate([[0], np.cumsum(lengths)]),
    )


def target_ranks(rows: np.ndarray, histories: Histories) -> np.ndarray:
    """Return the rank of each target [U] by cosine to its history's mean.

    Ranks count from 1. `rows` [N, dim] are unit rows. The tracks of a history are not candidates for it. Tied tracks
    share the mean of their ranks, so a model whose vectors are all equal gains nothing. Memory is U x N float32: pass
    the histories in blocks.
    """
    lengths = np.diff(histories.starts)
    sums = np.add.reduceat(rows[histories.items], histories.starts[:-1], axis=0)
    scores = (sums / lengths[:, None]) @ rows.T
    users = np.arange(len(lengths))
    target_scores = scores[users, histories.targets][:, None]
    scores[np.repeat(users, lengths), histories.items] = -np.inf
    better, with_ties = (np.count_nonzero(scores > target_scores + step, axis=1) for step in (_TIE, -_TIE))
    return (better + with_ties + 1) / 2


def recall(ranks: np.ndarray, k: int = 10) -> np.ndarray:
    """Return 1 for each rank [U] that is at most k, else 0."""
    return (ranks <= k).astype(np.float64)


def ndcg(ranks: np.ndarray, k: int = 10) -> np.ndarray:
    """Return 1 / log2(rank + 1) for each rank [U] up to k, else 0."""
    return np.where(ranks <= k, 1 / np.log2(ranks + 1), 0.0)
