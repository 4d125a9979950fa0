"""Item-to-item recommendation from listening histories: is a user's last track found from the mean of the others?

Leave-last-out is how sequential recommenders are usually judged (Kang and McAuley, "Self-Attentive Sequential
Recommendation", ICDM 2018), here with every other track as a candidate, none sampled.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_TIE = np.float32(1e-6)  # equal rows must tie, and a product may differ in its last bits


@dataclass(frozen=True, slots=True)
class Histories:
    """Of U users: `targets` [U], the track each ended with, and the distinct others, user after user.

    Those of user u are `items[starts[u]:starts[u + 1]]`, at least one; `users` [U] are their numbers.
    """

    users: np.ndarray
    targets: np.ndarray
    items: np.ndarray
    starts: np.ndarray

    def blocks(self, size: int) -> Iterator["Histories"]:
        """Runs of at most `size` users."""
        for first in range(0, len(self.users), size):
            starts = self.starts[first : first + size + 1]
            part = slice(first, first + size)
            yield Histories(
                self.users[part], self.targets[part], self.items[starts[0] : starts[-1]], starts - starts[0]
            )


def last_out(users: np.ndarray, items: np.ndarray) -> Histories:
    """Users and items [M] as numbers from 0, each user's in order of time -> histories of those with two or more.

    Of an item that a user chose several times only the last counts, so that no target is in its own history.
    """
    pairs = users.astype(np.int64) * (int(items.max(initial=0)) + 1) + items
    _, from_end = np.unique(pairs[::-1], return_index=True)
    kept = np.sort(len(pairs) - 1 - from_end)
    kept = kept[np.argsort(users[kept], kind="stable")]
    users, items = users[kept], items[kept]
    who, starts, counts = np.unique(users, return_index=True, return_counts=True)
    is_last = np.zeros(len(users), bool)
    is_last[starts + counts - 1] = True
    many = np.repeat(counts > 1, counts)
    lengths = counts[counts > 1] - 1
    return Histories(
        who[counts > 1], items[is_last & many], items[~is_last & many], np.concatenate([[0], np.cumsum(lengths)])
    )


def target_ranks(rows: np.ndarray, histories: Histories) -> np.ndarray:
    """Unit rows [N, dim] -> [U]: the rank of each target by cosine to the mean of its history, from 1.

    A history's own tracks are no candidates. Tied tracks share the mean of their ranks, so that a model that makes
    all tracks alike finds nothing. Memory is U x N float32: give the histories in blocks.
    """
    lengths = np.diff(histories.starts)
    sums = np.add.reduceat(rows[histories.items], histories.starts[:-1], axis=0)
    scores = (sums / lengths[:, None]) @ rows.T
    users = np.arange(len(lengths))
    wanted = scores[users, histories.targets][:, None]
    scores[np.repeat(users, lengths), histories.items] = -np.inf
    better, with_ties = (np.count_nonzero(scores > wanted + step, axis=1) for step in (_TIE, -_TIE))
    return (better + with_ties + 1) / 2


def recall(ranks: np.ndarray, k: int = 10) -> np.ndarray:
    """[U]: 1 where the one relevant track is among the first k."""
    return (ranks <= k).astype(np.float64)


def ndcg(ranks: np.ndarray, k: int = 10) -> np.ndarray:
    """[U]: 1 / log2(rank + 1) of the one relevant track, 0 beyond k."""
    return np.where(ranks <= k, 1 / np.log2(ranks + 1), 0.0)
