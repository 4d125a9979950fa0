"""Descriptions against the truth: values of clips, their means, and the comparison of two versions."""

import numpy as np
import pytest

from schemas.benchmarks import Clip
from schemas.descriptions import Description
from workers.evaluation.descriptions import judge_descriptions
from workers.evaluation.predictions import from_table
from workers.evaluation.scoring import compare, compute_figures, compute_metrics, incomparability_reason

TEMPI = {"a": 120.0, "b": 90.0, "c": 140.0, "d": 128.0}


def tempo_results(*answers):
    clips = [Clip(name, f"{name}.mp3", "test", targets=(tempo,)) for name, tempo in TEMPI.items()]
    return judge_descriptions("tempo", clips, [Description(bpm=answer) for answer in answers])


def key_results(truth, *answers):
    clips = [Clip(str(number), f"{number}.mp3", "test", (key,)) for number, key in enumerate(truth)]
    split = [answer.split() if answer else (None, None) for answer in answers]
    return judge_descriptions("key", clips, [Description(musical_key=key, mode=mode) for key, mode in split])


def test_tempi():
    results = tempo_results(121.0, 180.0, None, 133.5)
    assert results.values["accuracy1"].tolist() == [1, 0, 0, 0]
    assert results.values["accuracy2"].tolist() == [1, 1, 0, 0]
    assert results.values["answered"].tolist() == [1, 1, 0, 1]
    assert results.truth == ("120.00", "90.00", "140.00", "128.00")
    assert results.answers == ("121.00", "180.00", None, "133.50")
    assert compute_metrics(results) == {"accuracy1": 0.25, "accuracy2": 0.5, "answered": 0.75}


def test_keys():
    truth = ["C major", "A minor", "C# major", "F minor", "Bb minor", "G major"]
    results = key_results(truth, "C major", "E minor", "Bb minor", "F major", "B major", None)
    metrics = compute_metrics(results)
    assert metrics["weighted"] == pytest.approx((1 + 0.5 + 0.3 + 0.2) / 6)
    assert {name: metrics[name] for name in ("exact", "fifth", "relative", "parallel")} == pytest.approx(
        dict.fromkeys(("exact", "fifth", "relative", "parallel"), 1 / 6)
    )
    assert metrics["answered"] == pytest.approx(5 / 6)


def test_figures_have_intervals_within_0_and_1():
    for figure in compute_figures(tempo_results(120, 90, 140, 100)):
        assert 0 <= figure.low <= figure.value <= figure.high <= 1
    intervals = {
        figure.metric: (figure.low, figure.high) for figure in compute_figures(tempo_results(120, 90, 140, 1))
    }
    assert intervals["answered"] == (1, 1)
    assert intervals["accuracy1"][0] < 0.75 < intervals["accuracy1"][1]


def test_stored_results_are_read_as_they_were():
    results = key_results(["C major", "A minor"], "G major", None)
    stored = from_table(results.to_table())
    assert (stored.ids, stored.truth, stored.answers) == (results.ids, results.truth, results.answers)
    assert stored.values.keys() == results.values.keys()
    for name, values in results.values.items():
        np.testing.assert_array_equal(stored.values[name], values)


def test_two_versions_are_compared_on_the_same_clips():
    before, after = tempo_results(120, 45, None, 1), tempo_results(120, 90, 140, 1)
    assert incomparability_reason(before, after) is None
    change = compare(before, after)["accuracy1"]
    assert change.gain == 0.5
    assert 0 <= change.low <= change.gain <= change.high
    assert compare(before, before)["accuracy2"].gain == 0
