"""Metrics of predictions with their bootstrap intervals, and the paired difference of two versions."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from schemas.evaluations import Figure
from workers.evaluation.predictions import DescriptionResults, LabelScores, Predictions, RetrievalResults
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
from workers.metrics.tagging import macro, pr_auc, roc_auc, undefined_classes

RESAMPLES = 1000
_CLASS_MEANS = ("roc_auc", "pr_auc", "macro_f1")
_MAX_CELLS = 5e8  # resamples x clips x classes: 1,000 tags of 35,000 clips get fewer resamples, or take hours


@dataclass(frozen=True, slots=True)
class Change:
    """The difference after - before of one metric.

    `gain` is the difference on the items themselves, `low` and `high` its paired 95 % interval, `larger` the fraction
    of resamples in which it is positive.
    """

    gain: float
    low: float
    high: float
    larger: float


def compute_metrics(predictions: Predictions, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return the value of each metric; with bootstrap weights [B, N], its values [B]."""
    if isinstance(predictions, DescriptionResults):
        return {name: mean_of(values, weights) for name, values in predictions.values.items()}
    if isinstance(predictions, RetrievalResults):
        means = {name: mean_of(values, weights) for name, values in predictions.values.items() if name != "rank"}
        return means | {"median_rank": median_of(predictions.values["rank"], weights)}
    if predictions.task == "regression":
        per_target = r2(predictions.truth, predictions.scores, weights)
        by_name = {f"r2_{name}": per_target[..., column] for column, name in enumerate(predictions.names)}
        return {"r2": macro(per_target)} | by_name
    if predictions.task == "multiclass":
        truth, predicted = predictions.truth.argmax(axis=1), predictions.scores.argmax(axis=1)
        f1 = macro_f1(truth, predicted, len(predictions.names), weights)
        return {"accuracy": accuracy(truth, predicted, weights), "macro_f1": f1}
    return {name: macro(areas) for name, areas in _areas(predictions, weights).items()}


def compute_figures(predictions: Predictions) -> tuple[Figure, ...]:
    """Return every metric with its 95 % interval over resampled clips or queries.

    For a mean over classes, the percentiles are shifted by the bias of the resamples: a resample that holds the only
    clip of a rare class twice, or not at all, scores higher than the clips themselves. A metric that is defined for
    no class is left out.
    """
    resampled = compute_metrics(predictions, _weights(predictions))
    figures = []
    for name, value in compute_metrics(predictions).items():
        if not np.isfinite(value):
            continue
        bias = np.nanmean(resampled[name]) - value if name in _CLASS_MEANS else 0.0
        low, high = np.clip(interval(resampled[name] - bias), *_range(name)).tolist()
        figures.append(Figure(name, float(value), low, high))
    if isinstance(predictions, LabelScores) and predictions.calibrated:
        figures.append(Figure("ece", _calibration_error(predictions)))
    return tuple(figures)


def compare(before: Predictions, after: Predictions) -> dict[str, Change]:
    """Return the change of each metric on the items that both have.

    Both are resampled in the same way, so that the intervals are paired.
    """
    before, after = restrict_to_shared(before, after)
    weights = _weights(before)
    resampled_before, resampled_after = compute_metrics(before, weights), compute_metrics(after, weights)
    value_before, value_after = compute_metrics(before), compute_metrics(after)
    changes = {}
    for name in resampled_before:
        spread = difference(resampled_before[name], resampled_after[name])
        gain = float(value_after[name] - value_before[name])
        changes[name] = Change(gain, spread.low, spread.high, spread.better)
    return changes


def compare_values(before: np.ndarray, after: np.ndarray) -> Change:
    """Return the change of the mean from one version's values [N] to another's.

    Both are for the same items in the same order. Raises ValueError if there are no items.
    """
    weights = resamples(len(before), RESAMPLES)
    spread = difference(*(np.asarray(mean_of(values, weights)) for values in (before, after)))
    return Change(float(after.mean() - before.mean()), spread.low, spread.high, spread.better)


def restrict_to_shared(before: Predictions, after: Predictions) -> tuple[Predictions, Predictions]:
    """Return both, restricted to the items that both have, in the order of `before`."""
    rows_after = {name: row for row, name in enumerate(after.ids)}
    rows = [row for row, name in enumerate(before.ids) if name in rows_after]
    return _take(before, rows), _take(after, [rows_after[before.ids[row]] for row in rows])


def per_class_areas(predictions: LabelScores) -> dict[str, np.ndarray]:
    """Return ROC-AUC and average precision of every class [C]; NaN where undefined."""
    return _areas(predictions, None)


def reliability_curve(predictions: LabelScores) -> Reliability:
    """Return the curve that `ece` summarises.

    For a multiclass task it counts the likeliest class of each clip, otherwise every decision.
    """
    if predictions.task == "multiclass":
        right = predictions.truth[np.arange(len(predictions.ids)), predictions.scores.argmax(axis=1)]
        return reliability(right, predictions.scores.max(axis=1))
    return reliability(predictions.truth.ravel(), predictions.scores.ravel())


def dropped_names(predictions: Predictions, queries: tuple[str, ...]) -> tuple[str, ...]:
    """Return the classes or queries that no figure counts.

    These are classes without a positive or without a negative clip, and those of `queries` that no clip answers.
    """
    if isinstance(predictions, RetrievalResults):
        answered = set(predictions.queries)
        return tuple(query for query in queries if query not in answered)
    if predictions.task == "regression":
        return ()
    positives = predictions.truth.sum(axis=0)
    if predictions.task == "multiclass":
        return tuple(name for name, count in zip(predictions.names, positives, strict=True) if not count)
    return undefined_classes(roc_auc(predictions.truth, predictions.scores), predictions.names)


def incomparability_reason(before: Predictions, after: Predictions) -> str | None:
    """Return why the figures of two versions cannot be compared, or None if they can."""
    if isinstance(before, RetrievalResults) and isinstance(after, RetrievalResults):
        shared_before, shared_after = restrict_to_shared(before, after)
        if before.gallery != after.gallery or shared_before.relevant != shared_after.relevant:
            return f"one searched {before.gallery:,} clips, the other {after.gallery:,}: other clips have vectors"
    elif isinstance(before, LabelScores) and isinstance(after, LabelScores) and before.names != after.names:
        return "their classes differ"
    return None if set(before.ids) & set(after.ids) else "they share no clips or queries"


def resample_count(predictions: Predictions) -> int:
    """Return the number of resamples: fewer if clips x classes are very many."""
    classes = len(predictions.names) if isinstance(predictions, LabelScores) else 1
    cells = len(predictions.ids) * classes
    return int(min(RESAMPLES, max(100, _MAX_CELLS // max(1, cells))))


def _areas(predictions: LabelScores, weights: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return both areas over the same classes.

    A class without negatives is left out of both: it has an average precision, but that is always 1.
    """
    roc, precision = (area(predictions.truth, predictions.scores, weights) for area in (roc_auc, pr_auc))
    return {"roc_auc": roc, "pr_auc": np.where(np.isnan(roc), np.nan, precision)}


def _range(metric: str) -> tuple[float, float]:
    """Return the least and the greatest possible value of a metric."""
    if metric == "median_rank":
        return 1.0, np.inf
    return (-np.inf if metric.startswith("r2") else 0.0), 1.0


def _weights(predictions: Predictions) -> np.ndarray:
    return resamples(len(predictions.ids), resample_count(predictions))


def _calibration_error(predictions: LabelScores) -> float:
    if predictions.task == "multiclass":
        return float(top_label_calibration_error(predictions.truth.argmax(axis=1), predictions.scores))
    return float(expected_calibration_error(predictions.truth, predictions.scores))


def _take(predictions: Predictions, rows: list[int]) -> Predictions:
    ids = tuple(predictions.ids[row] for row in rows)
    if isinstance(predictions, RetrievalResults):
        relevant = tuple(predictions.relevant[row] for row in rows)
        values = {name: column[rows] for name, column in predictions.values.items()}
        return RetrievalResults(ids, relevant, predictions.gallery, values)
    if isinstance(predictions, DescriptionResults):
        truth, answers = (tuple(texts[row] for row in rows) for texts in (predictions.truth, predictions.answers))
        values = {name: column[rows] for name, column in predictions.values.items()}
        return DescriptionResults(ids, truth, answers, values)
    take = partial(np.take, indices=rows, axis=0)
    truth, scores = take(predictions.truth), take(predictions.scores)
    return LabelScores(predictions.task, predictions.names, ids, truth, scores, predictions.calibrated)
