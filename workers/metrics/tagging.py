"""Areas under the ROC and precision-recall curves of each tag, and their mean over tags.

scikit-learn computes the areas of the items. Under bootstrap weights, all resamples of a tag share one sort.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from workers.metrics.weighted import ratio, row_slices, weighted_sums


@dataclass(frozen=True, slots=True)
class _TieGroups:
    """The items of one class by falling score, in groups of equal scores.

    Only the G groups that hold a positive item are listed.
    """

    order: np.ndarray  # [N] the item at each position
    start: np.ndarray  # [G] positions before the group
    end: np.ndarray  # [G] positions up to the end of the group
    positives: np.ndarray  # the positive items, by position
    first: np.ndarray  # [G] where each group begins among the positive items


@dataclass(frozen=True, slots=True)
class _Counts:
    """Weights of items in S resamples at the G groups of `_TieGroups`, float64 [S, G]."""

    before: np.ndarray  # all items above the group
    through: np.ndarray  # all items down to the end of the group
    hits: np.ndarray  # positive items in the group
    hits_through: np.ndarray  # positive items down to the end of the group


def roc_auc(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the area under the ROC curve of each class, float64 [C].

    `truth` bool [N, C], `scores` [N, C]; with weights [B, N] the result is [B, C]. A positive and a negative item of
    equal score count half. NaN for a class whose items in the resample are all positive or all negative. Raises
    ValueError if a score is not finite.
    Source: Hanley and McNeil, Radiology 143, 1982: the share of pairs in the right order.
    """
    if weights is None:
        return _plain(roc_auc_score, truth, scores, truth.any(axis=0) & ~truth.all(axis=0))
    pairs = weighted_sums(weights, truth) * weighted_sums(weights, ~truth)
    return 1 - ratio(_resampled(_misplaced, truth, scores, weights), pairs)


def pr_auc(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the average precision of each class, float64 [C].

    `truth` bool [N, C], `scores` [N, C]; with weights [B, N] the result is [B, C]. It is the sum of the steps in
    recall times the precision at each, without trapezoids; items of equal score are one step. NaN for a class without
    a positive item in the resample. Raises ValueError if a score is not finite. Source: scikit-learn's
    average_precision_score.
    """
    if weights is None:
        return _plain(average_precision_score, truth, scores, truth.any(axis=0))
    return ratio(_resampled(_precisions, truth, scores, weights), weighted_sums(weights, truth))


def macro(per_class: np.ndarray) -> np.ndarray:
    """Return the mean over the defined classes of [..., C], float64 [...].

    NaN if no class is defined.
    """
    defined = ~np.isnan(per_class)
    return ratio(np.where(defined, per_class, 0).sum(axis=-1), defined.sum(axis=-1))


def undefined_classes(per_class: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the classes [C] that `macro` leaves out."""
    return tuple(name for name, value in zip(names, per_class, strict=True) if np.isnan(value))


def _plain(
    area: Callable[[np.ndarray, np.ndarray], float], truth: np.ndarray, scores: np.ndarray, defined: np.ndarray
) -> np.ndarray:
    areas = np.full(truth.shape[1], np.nan)
    for column in np.flatnonzero(defined):
        areas[column] = area(truth[:, column], scores[:, column])
    return areas


def _resampled(
    area: Callable[[_Counts], np.ndarray], truth: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return `area` of every class with a positive item, 0 for the others, [B, C]."""
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    areas = np.zeros((len(weights), truth.shape[1]))
    for column in np.flatnonzero(truth.any(axis=0)):
        groups = _group_ties(truth[:, column], scores[:, column])
        for rows in row_slices(weights):
            areas[rows, column] = area(_count(weights[rows], groups))
    return areas


def _group_ties(truth: np.ndarray, scores: np.ndarray) -> _TieGroups:
    order = np.argsort(scores)[::-1]
    falling = scores[order]
    cuts = np.flatnonzero(falling[1:] != falling[:-1]) + 1
    positions = np.flatnonzero(truth[order])
    groups, first = np.unique(np.searchsorted(cuts, positions, side="right"), return_index=True)
    bounds = np.concatenate([[0], cuts, [len(order)]])
    return _TieGroups(order, bounds[groups], bounds[groups + 1], order[positions], first)


def _count(weights: np.ndarray, groups: _TieGroups) -> _Counts:
    running = np.zeros((len(weights), len(groups.order) + 1))
    np.cumsum(weights[:, groups.order], axis=1, dtype=np.float64, out=running[:, 1:])
    hits = np.add.reduceat(weights[:, groups.positives], groups.first, axis=1, dtype=np.float64)
    return _Counts(running[:, groups.start], running[:, groups.end], hits, hits.cumsum(axis=1))


def _misplaced(counts: _Counts) -> np.ndarray:
    """Return the weight of the pairs whose negative item is above the positive one, [S].

    Pairs of equal score count half.
    """
    negatives = (counts.before + counts.through) / 2 - counts.hits_through + counts.hits / 2
    return (counts.hits * negatives).sum(axis=1)


def _precisions(counts: _Counts) -> np.ndarray:
    """Return the sum of the precisions at each positive item, [S]."""
    seen = np.where(counts.through > 0, counts.through, 1)  # without items there are no hits either
    return (counts.hits * counts.hits_through / seen).sum(axis=1)
