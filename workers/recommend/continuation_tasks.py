"""Playlists as arrays, and playlist continuation tasks: each playlist cut into seeds and withheld tracks.

Source: the categories of the RecSys Challenge 2018; see workers.metrics.continuation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TITLE = "title"
CATEGORIES = {  # number of seeds, and whether they are random
    TITLE: (0, False),
    "first 1": (1, False),
    "first 5": (5, False),
    "first 10": (10, False),
    "first 25": (25, False),
    "random 25": (25, True),
    "first 100": (100, False),
    "random 100": (100, True),
}


@dataclass(frozen=True, slots=True)
class Playlists:
    """P playlists of items, numbered from 0.

    Playlist p is `items[starts[p]:starts[p + 1]]`: distinct items in order. `listed` counts the tracks of the source,
    `matched` those that are known; some of these appear twice in a playlist.
    """

    titles: tuple[str, ...]
    items: np.ndarray
    starts: np.ndarray
    listed: int
    matched: int

    @classmethod
    def from_tracks(cls, titles: Sequence[str], playlist: np.ndarray, items: np.ndarray) -> "Playlists":
        """Build playlists from M tracks in order of time.

        `playlist` [M] is the number of each track's playlist, `items` [M] its item, -1 if unknown.
        """
        known = items >= 0
        owners, known_items = playlist[known].astype(np.int64), items[known].astype(np.int64)
        pairs = owners * (int(known_items.max(initial=0)) + 1) + known_items
        first = np.sort(np.unique(pairs, return_index=True)[1])
        first = first[np.argsort(owners[first], kind="stable")]
        lengths = np.bincount(owners[first], minlength=len(titles))
        starts = np.concatenate([[0], np.cumsum(lengths)])
        return cls(tuple(titles), known_items[first].astype(np.int32), starts, len(items), len(known_items))

    @classmethod
    def concatenate(cls, parts: Sequence["Playlists"]) -> "Playlists":
        """Return the playlists of all parts, in order."""
        lengths = np.concatenate([np.diff(part.starts) for part in parts])
        return cls(
            tuple(title for part in parts for title in part.titles),
            np.concatenate([part.items for part in parts]),
            np.concatenate([[0], np.cumsum(lengths)]),
            sum(part.listed for part in parts),
            sum(part.matched for part in parts),
        )

    @property
    def lengths(self) -> np.ndarray:
        """The number of items of each playlist [P]."""
        return np.diff(self.starts)

    def tracks(self, number: int) -> np.ndarray:
        """Return the items of one playlist."""
        return self.items[self.starts[number] : self.starts[number + 1]]

    def split(self, limit: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the playlists to evaluate, and of all others.

        A fifth of the playlists with two or more tracks, at most `limit`, drawn by the seed, are evaluated.
        """
        random = np.random.default_rng(seed)
        usable = np.flatnonzero(self.lengths > 1)
        evaluated = np.sort(random.permutation(usable)[: min(limit, len(usable) // 5)])
        return evaluated, np.setdiff1d(np.arange(len(self.titles)), evaluated)

    def popularity(self, numbers: np.ndarray, size: int) -> np.ndarray:
        """Return how many of the playlists `numbers` hold each of `size` items, [size]."""
        chosen = np.zeros(len(self.titles), bool)
        chosen[numbers] = True
        return np.bincount(self.items[np.repeat(chosen, self.lengths)], minlength=size)


@dataclass(frozen=True, slots=True)
class ContinuationTask:
    """One playlist to be continued: its number, its seeds, its withheld tracks (at least one)."""

    playlist: int
    seeds: np.ndarray
    withheld: np.ndarray


def make_tasks(playlists: Playlists, numbers: np.ndarray, category: str, seed: int) -> list[ContinuationTask]:
    """Return the tasks of a category for the playlists `numbers`.

    Playlists without more tracks than the category's seeds are left out; for "title", those without a title.
    """
    count, is_random = CATEGORIES[category]
    tasks = []
    for number in numbers.tolist():
        tracks = playlists.tracks(number)
        if len(tracks) <= count or (not count and not playlists.titles[number].strip()):
            continue
        is_seed = np.zeros(len(tracks), bool)
        if is_random:
            is_seed[np.random.default_rng((seed, number)).permutation(len(tracks))[:count]] = True
        else:
            is_seed[:count] = True
        tasks.append(ContinuationTask(number, tracks[is_seed], tracks[~is_seed]))
    return tasks
