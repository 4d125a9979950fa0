"""Ranks of the relevant items of each query, and the retrieval metrics computed from them.

Ranks count from 1. Items of equal score share the mean of the ranks that they span, so the order of the files cannot
change a figure: a tie of the first two is rank 1.5 for both. A query without a relevant item is NaN; the means ignore
it and callers report it.
"""

import numpy as np

from workers.metrics.weighted import ratio, row_slices, weighted_sums


def relevant_ranks(scores: np.ndarray, relevant: np.ndarray) -> list[np.ndarray]:
    """Return the ascending ranks, float64, of the relevant items of each query.

    `scores` [Q, N], `relevant` bool [Q, N]. Empty for a query without relevant items. Raises ValueError if a score is
    not finite.
    """
    return [(first + last) / 2 for first, last in _spans(scores, relevant)]


def recall_at(ranks: list[np.ndarray], k: int) -> np.ndarray:
    """Return the fraction of relevant items whose rank is at most k, [Q].

    With one relevant item this is the hit rate.
    """
    return np.array([(row <= k).mean() if len(row) else np.nan for row in ranks])


def hit_at(ranks: list[np.ndarray], k: int) -> np.ndarray:
    """Return 1 if a relevant item's rank is at most k, else 0, [Q]."""
    return np.array([float(row[0] <= k) if len(row) else np.nan for row in ranks])


def average_precision_at(ranks: list[np.ndarray], k: int = 10) -> np.ndarray:
    """Return the average precision at k of each query, [Q].

    It is the sum of the precisions at the relevant items of rank at most k, over the number of all relevant items. A
    precision is the item's position among the relevant ones over its rank; tied relevant items share both. If all N
    items are relevant and tied, the result is 1 if their shared rank, (N + 1) / 2, is at most k, else 0. A single
    relevant item gives 1 / rank. Source: trec_eval's map_cut, ranx's map@k.
    """
    return np.array([_average_precision(row, k) if len(row) else np.nan for row in ranks])


def ndcg_at(scores: np.ndarray, relevant: np.ndarray, k: int = 10) -> np.ndarray:
    """Return the discounted gain of the first k over the greatest possible one, [Q].

    `scores` [Q, N], `relevant` bool [Q, N]. A relevant item gains 1, discounted by log2(rank + 1); tied items share
    the mean discount of the ranks they span. Sources: Järvelin and Kekäläinen, TOIS 20, 2002; for ties McSherry and
    Najork, ECIR 2008.
    """
    gained = np.cumsum(np.concatenate([[0], 1 / np.log2(np.arange(2, k + 2))]))
    return np.array([_ndcg(first, last, gained) if len(first) else np.nan for first, last in _spans(scores, relevant)])


def first_rank(ranks: list[np.ndarray]) -> np.ndarray:
    """Return the best rank of a relevant item [Q]; `median_of` it is the median rank."""
    return np.array([row[0] if len(row) else np.nan for row in ranks])


def mean_of(values: np.ndarray, weights: np.ndarray | None = None) -> float | np.ndarray:
    """Return the mean of the values [Q] that are not NaN.

    With weights [B, Q] the result is float64 [B]. NaN if no value is defined.
    """
    defined = ~np.isnan(values)
    columns = np.stack([np.where(defined, values, 0), defined], axis=1)
    total, count = (columns.sum(axis=0) if weights is None else weighted_sums(weights, columns)).T
    return ratio(total, count)


def median_of(values: np.ndarray, weights: np.ndarray | None = None) -> float | np.ndarray:
    """Return the median of the values [Q] that are not NaN.

    It is the mean of the middle two of an even number. With weights [B, Q] the result is float64 [B], each the median
    of the values repeated that often. NaN if no value is defined.
    """
    order = np.argsort(values)[: np.count_nonzero(~np.isnan(values))]  # NaN sorts last
    rising = values[order].astype(np.float64)
    if weights is None or not len(rising):
        middle = float(np.median(rising)) if len(rising) else float("nan")
        return middle if weights is None else np.full(len(weights), middle)
    return np.concatenate([_medians(rising, weights[rows][:, order]) for rows in row_slices(weights)])


def _spans(scores: np.ndarray, relevant: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the first and last rank of the ties of each relevant item, best first."""
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    spans = []
    for row, is_relevant in zip(scores, relevant, strict=True):
        rising, relevant_scores = np.sort(row), np.sort(row[is_relevant])[::-1]
        first = len(row) + 1 - np.searchsorted(rising, relevant_scores, side="right")
        last = len(row) - np.searchsorted(rising, relevant_scores, side="left")
        spans.append((first, last))
    return spans


def _average_precision(ranks: np.ndarray, k: int) -> float:
    within = ranks[ranks <= k]
    # Tied items are all within k or none, so sharing their positions does not change the sum.
    positions = np.arange(1, len(within) + 1)
    return float((positions / within).sum() / len(ranks))


def _ndcg(first: np.ndarray, last: np.ndarray, gained: np.ndarray) -> float:
    """Return a query's nDCG; `gained` [k + 1] are cumulative gains from rank 0."""
    k = len(gained) - 1
    shared = (gained[np.minimum(last, k)] - gained[np.minimum(first - 1, k)]) / (last - first + 1)
    return float(shared.sum() / gained[min(len(first), k)])


def _medians(rising: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted medians [S] of rising values [Q] under weights [S, Q]."""
    running = weights.cumsum(axis=1, dtype=np.float64)
    half = running[:, -1:] / 2
    last = len(rising) - 1
    lower, upper = ((running < half).sum(axis=1), (running <= half).sum(axis=1))
    middle = (rising[lower] + rising[np.minimum(upper, last)]) / 2
    return np.where(half[:, 0] > 0, middle, np.nan)
