"""Playlist continuation as the ACM RecSys Challenge 2018 judged it: lists of candidates against withheld tracks.

Source: Zamani, Schedl, Lamere and Chen, "An Analysis of Approaches Taken in the ACM RecSys Challenge 2018 for
Automatic Music Playlist Continuation", TIST 10, 2019. Lists are rows of track numbers [P, K], the best first, -1 where
a list is shorter; the withheld tracks of each playlist are distinct and at least one.
"""

import numpy as np

CANDIDATES = 500
_ARTIST = 0.25
_PAGE = 10


def r_precision(lists: np.ndarray, withheld: list[np.ndarray], artists: np.ndarray) -> np.ndarray:
    """[P]: (|S_T ∩ G_T| + 0.25 |S_A ∩ G_A|) / |G_T|, S the first |G_T| of the list, G the withheld ones, T tracks and
    A their distinct artists. `artists` [N] is a number for each track's artist, -1 unknown, which is nobody's.

    It can exceed 1: artists of tracks that are found count too, as in the final challenge.
    """
    found = np.empty(len(lists))
    for place, (row, wanted) in enumerate(zip(lists, withheld, strict=True)):
        first = row[: len(wanted)]
        first = first[first >= 0]
        tracks = np.isin(first, wanted).sum()
        by = np.intersect1d(artists[first], artists[wanted])
        found[place] = (tracks + _ARTIST * (by >= 0).sum()) / len(wanted)
    return found


def ndcg(lists: np.ndarray, withheld: list[np.ndarray]) -> np.ndarray:
    """[P]: the gains 1 / log2(rank + 1) of the withheld tracks in the list, over those of as many first ranks.

    No more ranks than the list could hold: K. The challenge's own code has this discount.
    """
    discounts = 1 / np.log2(np.arange(2, lists.shape[1] + 2))
    best = np.cumsum(discounts)
    gained = [discounts[hits].sum() for hits in _hits(lists, withheld)]
    return np.array([gain / best[min(len(one), len(best)) - 1] for gain, one in zip(gained, withheld, strict=True)])


def clicks(lists: np.ndarray, withheld: list[np.ndarray]) -> np.ndarray:
    """[P]: pages of ten to turn before the first withheld track is seen; one more than there are pages, 51 of 500,
    where none is in the list. Less is better."""
    pages = lists.shape[1] // _PAGE
    return np.array([hits.argmax() // _PAGE if hits.any() else pages + 1 for hits in _hits(lists, withheld)], float)


def _hits(lists: np.ndarray, withheld: list[np.ndarray]) -> list[np.ndarray]:
    """bool [K] for each list: which of it were withheld."""
    return [np.isin(row, wanted) for row, wanted in zip(lists, withheld, strict=True)]
