"""Metrics of playlist continuation in the ACM RecSys Challenge 2018: recommended lists against withheld tracks.

Source: Zamani, Schedl, Lamere and Chen, "An Analysis of Approaches Taken in the ACM RecSys Challenge 2018 for
Automatic Music Playlist Continuation", TIST 10, 2019. Lists are rows of track numbers [P, K], the best first, filled
up with -1. The withheld tracks of each playlist are distinct and at least one.
"""

import numpy as np

LIST_LENGTH = 500
_ARTIST_WEIGHT = 0.25
_PAGE = 10


def r_precision(lists: np.ndarray, withheld: list[np.ndarray], artists: np.ndarray) -> np.ndarray:
    """Return the R-precision of each list [P].

    It is (|S_T ∩ G_T| + 0.25 |S_A ∩ G_A|) / |G_T|: S are the first |G_T| entries of the list, G the withheld ones, T
    tracks and A their distinct artists. `artists` [N] numbers each track's artist; -1 is unknown and matches nothing.
    The result can exceed 1, because the artists of recommended withheld tracks count too, as in the final challenge.
    """
    precisions = np.empty(len(lists))
    for index, (row, truth) in enumerate(zip(lists, withheld, strict=True)):
        first = row[: len(truth)]
        first = first[first >= 0]
        track_hits = np.isin(first, truth).sum()
        shared_artists = np.intersect1d(artists[first], artists[truth])
        artist_hits = (shared_artists >= 0).sum()
        precisions[index] = (track_hits + _ARTIST_WEIGHT * artist_hits) / len(truth)
    return precisions


def ndcg(lists: np.ndarray, withheld: list[np.ndarray]) -> np.ndarray:
    """Return the nDCG of each list [P].

    It is the sum of the gains 1 / log2(rank + 1) of the withheld tracks in the list, over the greatest possible sum:
    as many first ranks as there are withheld tracks, at most K. The discount is that of the challenge's own code.
    """
    discounts = 1 / np.log2(np.arange(2, lists.shape[1] + 2))
    ideal = np.cumsum(discounts)
    gains = [discounts[hits].sum() for hits in _hits(lists, withheld)]
    counts = [min(len(truth), len(ideal)) for truth in withheld]
    return np.array([gain / ideal[count - 1] for gain, count in zip(gains, counts, strict=True)])


def clicks(lists: np.ndarray, withheld: list[np.ndarray]) -> np.ndarray:
    """Return the pages of ten before the first withheld track [P].

    Less is better. A list without a withheld track counts one more than its pages: 51 for 500 tracks.
    """
    pages = lists.shape[1] // _PAGE
    return np.array([hits.argmax() // _PAGE if hits.any() else pages + 1 for hits in _hits(lists, withheld)], float)


def _hits(lists: np.ndarray, withheld: list[np.ndarray]) -> list[np.ndarray]:
    """Return bool [K] for each list: which of its tracks were withheld."""
    return [np.isin(row, truth) for row, truth in zip(lists, withheld, strict=True)]
