"""Playlists as arrays, split into those counted and those judged, and cut into seeds and what is withheld.

Source: the categories of the RecSys Challenge 2018; see workers.metrics.continuation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TITLE = "title"
SEEDS = {  # how many tracks are shown, and whether at random
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
    """P playlists of items, numbers from 0: those of p are `items[starts[p]:starts[p + 1]]`, distinct and in order.

    `listed` tracks there were in the source, of which some are not known or stand in a playlist twice; `matched` are
    those known.
    """

    titles: tuple[str, ...]
    items: np.ndarray
    starts: np.ndarray
    listed: int
    matched: int

    @classmethod
    def of(cls, titles: Sequence[str], playlist: np.ndarray, items: np.ndarray) -> "Playlists":
        """Each track's playlist [M], a number, and its item [M], -1 unknown, in order of time."""
        known = items >= 0
        which, found = playlist[known].astype(np.int64), items[known].astype(np.int64)
        pairs = which * (int(found.max(initial=0)) + 1) + found
        first = np.sort(np.unique(pairs, return_index=True)[1])
        first = first[np.argsort(which[first], kind="stable")]
        lengths = np.bincount(which[first], minlength=len(titles))
        starts = np.concatenate([[0], np.cumsum(lengths)])
        return cls(tuple(titles), found[first].astype(np.int32), starts, len(items), len(found))

    @classmethod
    def joined(cls, parts: Sequence["Playlists"]) -> "Playlists":
        """All of them, in order."""
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
        return np.diff(self.starts)

    def tracks(self, number: int) -> np.ndarray:
        """The items of one playlist."""
        return self.items[self.starts[number] : self.starts[number + 1]]

    def split(self, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the playlists that are judged, and of all others: a fifth of those with two tracks, at most
        `most`, drawn by the seed."""
        random = np.random.default_rng(seed)
        able = np.flatnonzero(self.lengths > 1)
        judged = np.sort(random.permutation(able)[: min(most, len(able) // 5)])
        return judged, np.setdiff1d(np.arange(len(self.titles)), judged)

    def popularity(self, numbers: np.ndarray, size: int) -> np.ndarray:
        """In how many of those playlists each of `size` items stands [size]."""
        chosen = np.zeros(len(self.titles), bool)
        chosen[numbers] = True
        return np.bincount(self.items[np.repeat(chosen, self.lengths)], minlength=size)


@dataclass(frozen=True, slots=True)
class Task:
    """One playlist to be continued: its number, the tracks that are shown and those to be found, at least one."""

    playlist: int
    seeds: np.ndarray
    withheld: np.ndarray


def tasks(playlists: Playlists, judged: np.ndarray, category: str, seed: int) -> list[Task]:
    """The judged playlists that have more tracks than the category shows; for "title" those with a title."""
    count, is_random = SEEDS[category]
    found = []
    for number in judged.tolist():
        tracks = playlists.tracks(number)
        if len(tracks) <= count or (not count and not playlists.titles[number].strip()):
            continue
        shown = np.zeros(len(tracks), bool)
        if is_random:
            shown[np.random.default_rng((seed, number)).permutation(len(tracks))[:count]] = True
        else:
            shown[:count] = True
        found.append(Task(number, tracks[shown], tracks[~shown]))
    return found
