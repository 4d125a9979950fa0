"""Ranks of the relevant items of each query, and the figures of retrieval that follow from them. Ranks count from 1.

Items of equal score share the mean of the ranks they span, so no order of the files can move a figure: a tie of the
first two is rank 1.5 for both. A query without a relevant item is NaN, which the means ignore and callers report.
"""

import numpy as np

from workers.metrics.weighted import ratio, slices, sums


def relevant_ranks(scores: np.ndarray, relevant: np.ndarray) -> list[np.ndarray]:
    """Scores [Q, N], relevant bool [Q, N] -> for each query the ascending ranks of its relevant items, float64.

    Empty for a query without any. ValueError for a score that is not finite.
    """
    return [(first + last) / 2 for first, last in _spans(scores, relevant)]


def recall_at(ranks: list[np.ndarray], k: int) -> np.ndarray:
    """[Q]: share of the relevant items whose rank is at most k; with one relevant item the hit rate."""
    return np.array([(row <= k).mean() if len(row) else np.nan for row in ranks])


def hit_at(ranks: list[np.ndarray], k: int) -> np.ndarray:
    """[Q]: 1 where any relevant item's rank is at most k, else 0."""
    return np.array([float(row[0] <= k) if len(row) else np.nan for row in ranks])


def average_precision_at(ranks: list[np.ndarray], k: int = 10) -> np.ndarray:
    """[Q]: precision at each relevant item of rank at most k, summed, over the number of all relevant items.

    Precision is the item's place among the relevant ones, over its rank; tied relevant items share both their ranks
    and their places. So all items tied and all relevant is 1 as long as the shared rank, (N + 1) / 2, is within k, and
    0 beyond; one relevant item is 1 / rank. Source: trec_eval's map_cut, ranx's map@k.
    """
    return np.array([_average_precision(row, k) if len(row) else np.nan for row in ranks])


def ndcg_at(scores: np.ndarray, relevant: np.ndarray, k: int = 10) -> np.ndarray:
    """Scores [Q, N], relevant bool [Q, N] -> [Q]: discounted gain of the first k, over the best there can be.

    A relevant item gains 1, discounted by log2(rank + 1); tied items share the mean discount of the ranks they span.
    Sources: Järvelin and Kekäläinen, TOIS 20, 2002; for ties McSherry and Najork, ECIR 2008.
    """
    gained = np.cumsum(np.concatenate([[0], 1 / np.log2(np.arange(2, k + 2))]))
    return np.array([_ndcg(first, last, gained) if len(first) else np.nan for first, last in _spans(scores, relevant)])


def first_rank(ranks: list[np.ndarray]) -> np.ndarray:
    """[Q]: the best rank of a relevant item, from 1. The median rank of a run is `median_of` it."""
    return np.array([row[0] if len(row) else np.nan for row in ranks])


def mean_of(values: np.ndarray, weights: np.ndarray | None = None) -> float | np.ndarray:
    """Mean of the queries [Q] that are not NaN; with weights [B, Q] float64 [B]. NaN where there is none."""
    defined = ~np.isnan(values)
    both = np.stack([np.where(defined, values, 0), defined], axis=1)
    total, count = (both.sum(axis=0) if weights is None else sums(weights, both)).T
    return ratio(total, count)


def median_of(values: np.ndarray, weights: np.ndarray | None = None) -> float | np.ndarray:
    """Median of the queries [Q] that are not NaN, the mean of the middle two of an even number.

    With weights [B, Q] float64 [B]: the median of the queries repeated that often. NaN where there is none.
    """
    order = np.argsort(values)[: np.count_nonzero(~np.isnan(values))]  # NaN sorts last
    rising = values[order].astype(np.float64)
    if weights is None or not len(rising):
        middle = float(np.median(rising)) if len(rising) else float("nan")
        return middle if weights is None else np.full(len(weights), middle)
    return np.concatenate([_medians(rising, weights[rows][:, order]) for rows in slices(weights)])


def _spans(scores: np.ndarray, relevant: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each query's relevant items, best first: the first and the last rank of the items tied with it."""
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    spans = []
    for row, wanted in zip(scores, relevant, strict=True):
        rising, found = np.sort(row), np.sort(row[wanted])[::-1]
        first = len(row) + 1 - np.searchsorted(rising, found, side="right")
        spans.append((first, len(row) - np.searchsorted(rising, found, side="left")))
    return spans


def _average_precision(ranks: np.ndarray, k: int) -> float:
    within = ranks[ranks <= k]
    places = np.arange(1, len(within) + 1)  # tied items are all within k or none: sharing places adds up to the same
    return float((places / within).sum() / len(ranks))


def _ndcg(first: np.ndarray, last: np.ndarray, gained: np.ndarray) -> float:
    """`gained` [k + 1]: the gain of the first 0, 1 ... k places."""
    k = len(gained) - 1
    shared = (gained[np.minimum(last, k)] - gained[np.minimum(first - 1, k)]) / (last - first + 1)
    return float(shared.sum() / gained[min(len(first), k)])


def _medians(rising: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Values [Q] in rising order, weights [S, Q] -> [S]."""
    running = weights.cumsum(axis=1, dtype=np.float64)
    half = running[:, -1:] / 2
    last = len(rising) - 1
    lower, upper = ((running < half).sum(axis=1), (running <= half).sum(axis=1))
    middle = (rising[lower] + rising[np.minimum(upper, last)]) / 2
    return np.where(half[:, 0] > 0, middle, np.nan)
