"""Intervals and comparisons of predictions; which protocols apply to what."""

from dataclasses import replace

import numpy as np
import pytest

from schemas.benchmarks import Clip
from schemas.errors import UserError
from workers.evaluation.predictions import LabelScores, RetrievalResults
from workers.evaluation.protocols import PROTOCOLS, find_protocol, incompatibility_reason
from workers.evaluation.scoring import (
    compare,
    compute_figures,
    compute_metrics,
    dropped_names,
    incomparability_reason,
    resample_count,
    restrict_to_shared,
)


def make_predictions(task="multilabel", skill=1.0, clips=200, seed=0, calibrated=False):
    """Make scores that follow the truth by `skill`; the noise is the same for every skill."""
    rng = np.random.default_rng(seed)
    truth = rng.random((clips, 4)) > 0.6
    if task == "multiclass":
        truth = np.eye(4, dtype=bool)[rng.integers(4, size=clips)]
    if task == "regression":
        truth = rng.standard_normal((clips, 4))
    scores = (skill * truth + rng.standard_normal(truth.shape)).astype(np.float32)
    if calibrated:
        scores = 1 / (1 + np.exp(-scores))
    return LabelScores(task, ("a", "b", "c", "d"), tuple(f"clip {n}" for n in range(clips)), truth, scores, calibrated)


@pytest.mark.parametrize("task", ["multilabel", "multiclass", "regression"])
def test_every_figure_lies_in_its_interval(task):
    figures = compute_figures(make_predictions(task))
    assert {figure.metric for figure in figures} == set(compute_metrics(make_predictions(task)))
    assert all(figure.low < figure.value < figure.high for figure in figures), figures


def test_an_undefined_figure_is_left_out():
    predictions = make_predictions()
    assert compute_figures(replace(predictions, truth=np.ones_like(predictions.truth))) == ()


def test_probabilities_get_a_calibration_error_and_cosines_none():
    assert "ece" in {figure.metric for figure in compute_figures(make_predictions(calibrated=True))}
    assert "ece" not in {figure.metric for figure in compute_figures(make_predictions())}


def test_a_better_version_is_significantly_better_and_an_equal_one_is_not():
    better = compare(make_predictions(skill=0.5), make_predictions(skill=2.0))["roc_auc"]
    assert better.low > 0
    same = compare(make_predictions(), make_predictions())["roc_auc"]
    assert (same.gain, same.low, same.high) == (0, 0, 0)


def test_the_paired_interval_is_narrower_than_the_two_intervals_suggest():
    before, after = make_predictions(skill=1.0), make_predictions(skill=1.1)
    widths = [figure.high - figure.low for figure in (compute_figures(before)[0], compute_figures(after)[0])]
    paired = compare(before, after)["roc_auc"]
    assert paired.high - paired.low < min(widths) / 2


def test_versions_are_compared_on_the_clips_that_both_have_in_any_order():
    after = make_predictions(skill=2.0)
    order = np.random.default_rng(1).permutation(150)
    ids = tuple(after.ids[row] for row in order)
    fewer = replace(after, ids=ids, truth=after.truth[order], scores=after.scores[order])
    shared_before, shared_after = restrict_to_shared(make_predictions(), fewer)
    assert shared_before.ids == shared_after.ids
    assert len(shared_before.ids) == 150
    assert np.array_equal(shared_before.truth, shared_after.truth)


def test_classes_that_no_figure_counts_are_listed():
    predictions = make_predictions()
    none, every = predictions.truth.copy(), predictions.truth.copy()
    none[:, 1], every[:, 2] = False, True
    assert dropped_names(replace(predictions, truth=none), predictions.names) == ("b",)
    assert dropped_names(replace(predictions, truth=every), predictions.names) == ("c",)
    assert dropped_names(make_predictions("regression"), predictions.names) == ()


def test_searches_in_different_galleries_are_not_compared():
    ranks = {"rank": np.array([1.0, 2.0])}
    before = RetrievalResults(("a", "b"), (("x",), ("y",)), 100, ranks)
    assert incomparability_reason(before, before) is None
    assert "100" in (incomparability_reason(before, replace(before, gallery=50)) or "")
    assert incomparability_reason(before, replace(before, relevant=(("x",), ("z",))))
    assert incomparability_reason(make_predictions(), replace(make_predictions(), names=("a", "b", "c", "e")))
    assert incomparability_reason(make_predictions(), replace(make_predictions(), ids=tuple(map(str, range(200)))))


def test_more_clips_and_classes_get_fewer_resamples_but_never_under_a_hundred():
    assert resample_count(make_predictions()) == 1000
    many = LabelScores(
        "multilabel", tuple(map(str, range(1000))), tuple(map(str, range(20_000))), *[np.zeros((1, 1))] * 2
    )
    assert resample_count(many) == 100


CLIPS = [
    Clip(f"{split}-{labels}", f"{split}.wav", split, labels)
    for split in ("train", "valid", "test")
    for labels in (("x",), ("y",))
]
UNIFORM = [replace(clip, labels=("x",)) if clip.split == "valid" else clip for clip in CLIPS]
SAME_LABELS = [replace(clip, labels=("x",)) for clip in CLIPS]
CAPTIONED = [replace(clip, labels=(), captions=("a song",)) for clip in CLIPS]


@pytest.mark.parametrize(
    ("name", "task", "clips", "has_text", "word"),
    [
        ("zero-shot", "multilabel", CLIPS, False, "text tower"),
        ("sentence-retrieval", "multilabel", CLIPS, True, "captions"),
        ("zero-shot", "captions", CLIPS, True, "captions only"),
        ("tag-retrieval", "regression", CLIPS, True, "numbers"),
        ("linear", "multilabel", CLIPS[4:], True, "no train and no valid"),
        ("marble", "multilabel", UNIFORM, True, "no label divides its valid split"),
        ("zero-shot", "multilabel", CAPTIONED, True, "captions only"),
        ("zero-shot", "multilabel", CLIPS[:5], True, "one test clip"),
        ("sentence-retrieval", "captions", CAPTIONED[:5], True, "one test clip"),
        ("tag-retrieval", "multilabel", SAME_LABELS, True, "no label divides its test split"),
    ],
)
def test_an_incompatible_protocol_says_why(name, task, clips, has_text, word):
    assert word in (incompatibility_reason(PROTOCOLS[name], task, clips, has_text) or "")


@pytest.mark.parametrize("name", ["zero-shot", "tag-retrieval", "linear", "mlp", "marble"])
def test_compatible_protocols_have_no_reason(name):
    assert incompatibility_reason(PROTOCOLS[name], "multilabel", CLIPS, True) is None


def test_the_probe_grid():
    assert len(PROTOCOLS["mlp"].probes) == 12
    assert {probe.hidden for probe in PROTOCOLS["mlp"].probes} == {512}
    assert {(probe.batch, probe.learning_rate) for probe in PROTOCOLS["linear"].probes} == {
        (batch, rate) for batch in (16, 64, 512) for rate in (1e-3, 5e-4)
    }


def test_prompts_and_names_are_checked():
    assert find_protocol("zero-shot", "music with {}").prompt == "music with {}"
    assert find_protocol("mlp", inputs="features").inputs == "features"
    with pytest.raises(UserError, match="in the place of the tag"):
        find_protocol("zero-shot", "no place for a tag")
    with pytest.raises(UserError, match="there are zero-shot"):
        find_protocol("knn")
