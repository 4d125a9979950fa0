"""Intervals and comparisons over items; which protocols fit what."""

from dataclasses import replace

import numpy as np
import pytest

from schemas.benchmarks import Clip
from schemas.errors import UserError
from workers.evaluation.predictions import LabelScores, Retrieved
from workers.evaluation.protocols import PROTOCOLS, obstacle, protocol
from workers.evaluation.scoring import compare, dropped, figures, incomparable, measure, resample_count, shared


def items_of(task="multilabel", skill=1.0, clips=200, seed=0, calibrated=False):
    """Scores that know the truth as well as `skill` says; the noise is the same for every skill."""
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
    found = figures(items_of(task))
    assert {figure.metric for figure in found} == set(measure(items_of(task)))
    assert all(figure.low < figure.value < figure.high for figure in found), found


def test_a_figure_over_nothing_is_left_out():
    items = items_of()
    assert figures(replace(items, truth=np.ones_like(items.truth))) == ()


def test_probabilities_get_a_calibration_error_and_cosines_none():
    assert "ece" in {figure.metric for figure in figures(items_of(calibrated=True))}
    assert "ece" not in {figure.metric for figure in figures(items_of())}


def test_a_better_version_is_proven_better_and_an_equal_one_is_not():
    better = compare(items_of(skill=0.5), items_of(skill=2.0))["roc_auc"]
    assert better.low > 0
    same = compare(items_of(), items_of())["roc_auc"]
    assert (same.gain, same.low, same.high) == (0, 0, 0)


def test_the_paired_interval_is_narrower_than_the_two_intervals_suggest():
    before, after = items_of(skill=1.0), items_of(skill=1.1)
    widths = [figure.high - figure.low for figure in (figures(before)[0], figures(after)[0])]
    paired = compare(before, after)["roc_auc"]
    assert paired.high - paired.low < min(widths) / 2


def test_versions_are_compared_on_the_clips_that_both_have_in_whatever_order():
    after = items_of(skill=2.0)
    order = np.random.default_rng(1).permutation(150)
    ids = tuple(after.ids[row] for row in order)
    fewer = replace(after, ids=ids, truth=after.truth[order], scores=after.scores[order])
    ours, theirs = shared(items_of(), fewer)
    assert ours.ids == theirs.ids
    assert len(ours.ids) == 150
    assert np.array_equal(ours.truth, theirs.truth)


def test_classes_that_no_figure_counts_are_named():
    items = items_of()
    none, every = items.truth.copy(), items.truth.copy()
    none[:, 1], every[:, 2] = False, True
    assert dropped(replace(items, truth=none), items.names) == ("b",)
    assert dropped(replace(items, truth=every), items.names) == ("c",)
    assert dropped(items_of("regression"), items.names) == ()


def test_searches_in_different_galleries_are_not_compared():
    ranks = {"rank": np.array([1.0, 2.0])}
    before = Retrieved(("a", "b"), (("x",), ("y",)), 100, ranks)
    assert incomparable(before, before) is None
    assert "100" in (incomparable(before, replace(before, gallery=50)) or "")
    assert incomparable(before, replace(before, relevant=(("x",), ("z",))))
    assert incomparable(items_of(), replace(items_of(), names=("a", "b", "c", "e")))
    assert incomparable(items_of(), replace(items_of(), ids=tuple(map(str, range(200)))))


def test_more_clips_and_classes_get_fewer_resamples_but_never_under_a_hundred():
    assert resample_count(items_of()) == 1000
    many = LabelScores(
        "multilabel", tuple(map(str, range(1000))), tuple(map(str, range(20_000))), *[np.zeros((1, 1))] * 2
    )
    assert resample_count(many) == 100


CLIPS = [
    Clip(f"{split}-{labels}", f"{split}.wav", split, labels)
    for split in ("train", "valid", "test")
    for labels in (("x",), ("y",))
]
ALIKE = [replace(clip, labels=("x",)) if clip.split == "valid" else clip for clip in CLIPS]
WORDS = [replace(clip, labels=(), captions=("a song",)) for clip in CLIPS]


@pytest.mark.parametrize(
    ("name", "task", "clips", "has_text", "word"),
    [
        ("zero-shot", "multilabel", CLIPS, False, "text tower"),
        ("sentence-retrieval", "multilabel", CLIPS, True, "captions"),
        ("zero-shot", "captions", CLIPS, True, "captions only"),
        ("tag-retrieval", "regression", CLIPS, True, "numbers"),
        ("linear", "multilabel", CLIPS[4:], True, "no train and no valid"),
        ("marble", "multilabel", ALIKE, True, "no label divides its valid split"),
        ("zero-shot", "multilabel", WORDS, True, "captions only"),
    ],
)
def test_a_protocol_that_does_not_fit_says_why(name, task, clips, has_text, word):
    assert word in (obstacle(PROTOCOLS[name], task, clips, has_text) or "")


@pytest.mark.parametrize("name", ["zero-shot", "tag-retrieval", "linear", "mlp", "marble"])
def test_protocols_that_fit_have_no_obstacle(name):
    assert obstacle(PROTOCOLS[name], "multilabel", CLIPS, True) is None


def test_the_seeds_grid():
    assert len(PROTOCOLS["mlp"].probes) == 12
    assert {probe.hidden for probe in PROTOCOLS["mlp"].probes} == {512}
    assert {(probe.batch, probe.learning_rate) for probe in PROTOCOLS["linear"].probes} == {
        (batch, rate) for batch in (16, 64, 512) for rate in (1e-3, 5e-4)
    }


def test_prompts_and_names_are_checked():
    assert protocol("zero-shot", "music with {}").prompt == "music with {}"
    assert protocol("mlp", inputs="features").inputs == "features"
    with pytest.raises(UserError, match="stands"):
        protocol("zero-shot", "no place for a tag")
    with pytest.raises(UserError, match="there are zero-shot"):
        protocol("knn")
