"""Areas under the ROC and precision-recall curves of each tag, and their mean over tags.

scikit-learn computes them on the items; under bootstrap weights all resamples of a tag are computed from one sort.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from workers.metrics.weighted import ratio, slices, sums


@dataclass(frozen=True, slots=True)
class _Tied:
    """One class's items by falling score, in groups of equal scores: the G groups that hold a positive item."""

    order: np.ndarray  # [N] item at each place
    start: np.ndarray  # [G] places before the group
    end: np.ndarray  # [G] places through its end
    positives: np.ndarray  # the positive items, by place
    first: np.ndarray  # [G] where each group begins among them


@dataclass(frozen=True, slots=True)
class _Counts:
    """Weight of items in S resamples, at the G groups of `_Tied`: [S, G] float64."""

    before: np.ndarray  # of all items above the group
    through: np.ndarray  # of all items down to its end
    hits: np.ndarray  # of positive items in it
    found: np.ndarray  # of positive items down to its end


def roc_auc(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Truth bool [N, C], scores [N, C] -> float64 [C]; with weights [B, N] float64 [B, C].

    A positive and a negative item of equal score count half. NaN for a class whose items, in that resample, are all
    positive or all negative. ValueError for a score that is not finite.
    Source: Hanley and McNeil, Radiology 143, 1982: the share of pairs in the right order.
    """
    if weights is None:
        return _plain(roc_auc_score, truth, scores, truth.any(axis=0) & ~truth.all(axis=0))
    pairs = sums(weights, truth) * sums(weights, ~truth)
    return 1 - ratio(_resampled(_misplaced, truth, scores, weights), pairs)


def pr_auc(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Average precision: truth bool [N, C], scores [N, C] -> float64 [C]; with weights [B, N] float64 [B, C].

    The sum of steps in recall times the precision at each, no trapezoid; items of equal score are one step. NaN for
    a class without a positive item in that resample. ValueError for a score that is not finite.
    Source: scikit-learn's average_precision_score.
    """
    if weights is None:
        return _plain(average_precision_score, truth, scores, truth.any(axis=0))
    return ratio(_resampled(_precisions, truth, scores, weights), sums(weights, truth))


def macro(per_class: np.ndarray) -> np.ndarray:
    """Mean over the classes that are defined: [..., C] -> float64 [...]; NaN where none is."""
    defined = ~np.isnan(per_class)
    return ratio(np.where(defined, per_class, 0).sum(axis=-1), defined.sum(axis=-1))


def undefined(per_class: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    """Names of the classes [C] that `macro` leaves out."""
    return tuple(name for name, value in zip(names, per_class, strict=True) if np.isnan(value))


def _plain(
    area: Callable[[np.ndarray, np.ndarray], float], truth: np.ndarray, scores: np.ndarray, defined: np.ndarray
) -> np.ndarray:
    found = np.full(truth.shape[1], np.nan)
    for column in np.flatnonzero(defined):
        found[column] = area(truth[:, column], scores[:, column])
    return found


def _resampled(
    area: Callable[[_Counts], np.ndarray], truth: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """[B, C]: `area` of every class that has a positive item, 0 of the others."""
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    found = np.zeros((len(weights), truth.shape[1]))
    for column in np.flatnonzero(truth.any(axis=0)):
        tied = _tied(truth[:, column], scores[:, column])
        for rows in slices(weights):
            found[rows, column] = area(_counts(weights[rows], tied))
    return found


def _tied(truth: np.ndarray, scores: np.ndarray) -> _Tied:
    order = np.argsort(scores)[::-1]
    falling = scores[order]
    cuts = np.flatnonzero(falling[1:] != falling[:-1]) + 1
    places = np.flatnonzero(truth[order])
    groups, first = np.unique(np.searchsorted(cuts, places, side="right"), return_index=True)
    bounds = np.concatenate([[0], cuts, [len(order)]])
    return _Tied(order, bounds[groups], bounds[groups + 1], order[places], first)


def _counts(weights: np.ndarray, tied: _Tied) -> _Counts:
    running = np.zeros((len(weights), len(tied.order) + 1))
    np.cumsum(weights[:, tied.order], axis=1, dtype=np.float64, out=running[:, 1:])
    hits = np.add.reduceat(weights[:, tied.positives], tied.first, axis=1, dtype=np.float64)
    return _Counts(running[:, tied.start], running[:, tied.end], hits, hits.cumsum(axis=1))


def _misplaced(counts: _Counts) -> np.ndarray:
    """[S]: weight of pairs whose negative item is above the positive one, half of those at equal score."""
    negatives = (counts.before + counts.through) / 2 - counts.found + counts.hits / 2
    return (counts.hits * negatives).sum(axis=1)


def _precisions(counts: _Counts) -> np.ndarray:
    """[S]: the precision at each positive item, summed."""
    seen = np.where(counts.through > 0, counts.through, 1)  # nothing drawn so far: no hits to count either
    return (counts.hits * counts.found / seen).sum(axis=1)
