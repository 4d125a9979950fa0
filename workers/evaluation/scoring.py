"""From items to figures: every metric with its bootstrap interval, and the paired difference of two versions."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from schemas.evaluations import Figure
from workers.evaluation.predictions import Items, LabelScores, Retrieved
from workers.metrics.bootstrap import difference, interval, resamples
from workers.metrics.calibration import (
    Reliability,
    expected_calibration_error,
    reliability,
    top_label_calibration_error,
)
from workers.metrics.classification import accuracy, macro_f1
from workers.metrics.regression import r2
from workers.metrics.retrieval import mean_of, median_of
from workers.metrics.tagging import macro, pr_auc, roc_auc, undefined

RESAMPLES = 1000
_OVER_CLASSES = ("roc_auc", "pr_auc", "macro_f1")
_MOST_CELLS = 5e8  # resamples x clips x classes: a thousand tags of 35,000 clips get fewer resamples, not hours


@dataclass(frozen=True, slots=True)
class Change:
    """after - before of one metric: `gain` on the items, its paired 95 % interval, and how often it is positive."""

    gain: float
    low: float
    high: float
    larger: float


def measure(items: Items, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Each metric's value; with bootstrap weights [B, N] an array of B values."""
    if isinstance(items, Retrieved):
        means = {name: mean_of(row, weights) for name, row in items.values.items() if name != "rank"}
        return means | {"median_rank": median_of(items.values["rank"], weights)}
    if items.task == "regression":
        each = r2(items.truth, items.scores, weights)
        return {"r2": macro(each)} | {f"r2_{name}": each[..., place] for place, name in enumerate(items.names)}
    if items.task == "multiclass":
        truth, predicted = items.truth.argmax(axis=1), items.scores.argmax(axis=1)
        f1 = macro_f1(truth, predicted, len(items.names), weights)
        return {"accuracy": accuracy(truth, predicted, weights), "macro_f1": f1}
    return {name: macro(areas) for name, areas in _areas(items, weights).items()}


def figures(items: Items) -> tuple[Figure, ...]:
    """Every metric with its 95 % interval over resampled clips, or queries.

    The percentiles of the resamples are shifted by their bias where a mean over classes is measured: a resample that
    holds a rare class's one clip twice, or not at all, scores higher than the clips themselves.
    """
    spread = measure(items, _weights(items))
    found = []
    for name, value in measure(items).items():
        if not np.isfinite(value):  # nothing to count: no class has clips with it and without it
            continue
        bias = np.nanmean(spread[name]) - value if name in _OVER_CLASSES else 0.0
        low, high = np.clip(interval(spread[name] - bias), *_range(name)).tolist()
        found.append(Figure(name, float(value), low, high))
    if isinstance(items, LabelScores) and items.calibrated:
        found.append(Figure("ece", _calibration_error(items)))
    return tuple(found)


def compare(before: Items, after: Items) -> dict[str, Change]:
    """What each metric gained, both judged on the same resamples of the items they share, in one order."""
    ours, theirs = shared(before, after)
    weights = _weights(ours)
    first, second = measure(ours, weights), measure(theirs, weights)
    old, new = measure(ours), measure(theirs)
    spreads = {name: difference(first[name], second[name]) for name in first}
    return {name: Change(float(new[name] - old[name]), it.low, it.high, it.better) for name, it in spreads.items()}


def compare_values(before: np.ndarray, after: np.ndarray) -> Change:
    """Two versions' values [N] for the same items in one order -> what their mean gained. ValueError without items."""
    weights = resamples(len(before), RESAMPLES)
    spread = difference(*(np.asarray(mean_of(values, weights)) for values in (before, after)))
    return Change(float(after.mean() - before.mean()), spread.low, spread.high, spread.better)


def shared(before: Items, after: Items) -> tuple[Items, Items]:
    """Both cut down to the items that both have, in the order of the first."""
    place = {name: row for row, name in enumerate(after.ids)}
    rows = [row for row, name in enumerate(before.ids) if name in place]
    others = [place[before.ids[row]] for row in rows]
    return _taken(before, rows), _taken(after, others)


def per_class(items: LabelScores) -> dict[str, np.ndarray]:
    """ROC-AUC and average precision of every class [C], NaN where undefined."""
    return _areas(items, None)


def curve(items: LabelScores) -> Reliability:
    """What `ece` sums up: of one class a clip the likeliest alone, of many labels every decision."""
    if items.task == "multiclass":
        right = items.truth[np.arange(len(items.ids)), items.scores.argmax(axis=1)]
        return reliability(right, items.scores.max(axis=1))
    return reliability(items.truth.ravel(), items.scores.ravel())


def dropped(items: Items, queries: tuple[str, ...]) -> tuple[str, ...]:
    """What no figure counts: classes without a positive clip or without a negative one, queries nothing can answer."""
    if isinstance(items, Retrieved):
        asked = set(items.queries)
        return tuple(query for query in queries if query not in asked)
    if items.task == "regression":
        return ()
    positives = items.truth.sum(axis=0)
    if items.task == "multiclass":
        return tuple(name for name, count in zip(items.names, positives, strict=True) if not count)
    return undefined(roc_auc(items.truth, items.scores), items.names)


def incomparable(before: Items, after: Items) -> str | None:
    """Why two versions' figures cannot be set against each other; None where they can."""
    if isinstance(before, Retrieved) and isinstance(after, Retrieved):
        ours, theirs = shared(before, after)
        if before.gallery != after.gallery or ours.relevant != theirs.relevant:
            return f"one searched {before.gallery:,} clips, the other {after.gallery:,}: other clips have vectors"
    elif before.names != after.names:
        return "their classes differ"
    return None if set(before.ids) & set(after.ids) else "they have judged nothing in common"


def resample_count(items: Items) -> int:
    """How many resamples the intervals rest on: fewer where clips times classes are very many."""
    cells = len(items.ids) * (len(items.names) if isinstance(items, LabelScores) else 1)
    return int(min(RESAMPLES, max(100, _MOST_CELLS // max(1, cells))))


def _areas(items: LabelScores, weights: np.ndarray | None) -> dict[str, np.ndarray]:
    """Both areas over the same classes: one without negatives has an average precision, 1, that says nothing."""
    roc, precision = (area(items.truth, items.scores, weights) for area in (roc_auc, pr_auc))
    return {"roc_auc": roc, "pr_auc": np.where(np.isnan(roc), np.nan, precision)}


def _range(metric: str) -> tuple[float, float]:
    """Where a metric can lie."""
    if metric == "median_rank":
        return 1.0, np.inf
    return (-np.inf if metric.startswith("r2") else 0.0), 1.0


def _weights(items: Items) -> np.ndarray:
    return resamples(len(items.ids), resample_count(items))


def _calibration_error(items: LabelScores) -> float:
    if items.task == "multiclass":
        return float(top_label_calibration_error(items.truth.argmax(axis=1), items.scores))
    return float(expected_calibration_error(items.truth, items.scores))


def _taken(items: Items, rows: list[int]) -> Items:
    ids = tuple(items.ids[row] for row in rows)
    if isinstance(items, Retrieved):
        relevant = tuple(items.relevant[row] for row in rows)
        return Retrieved(ids, relevant, items.gallery, {name: row[rows] for name, row in items.values.items()})
    take = partial(np.take, indices=rows, axis=0)
    return LabelScores(items.task, items.names, ids, take(items.truth), take(items.scores), items.calibrated)
