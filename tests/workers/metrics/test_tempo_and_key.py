"""Tempo and key scores, on cases counted by hand."""

import numpy as np
import pytest

from schemas.descriptions import KEYS, MODES
from workers.metrics.key import KEY_WEIGHTS, key_relation, key_score
from workers.metrics.tempo import OCTAVES, tempo_accuracy

ALL_KEYS = [f"{tonic} {mode}" for mode in MODES for tonic in KEYS]


def test_a_tempo_is_right_within_four_percent():
    tempi = np.array([100, 104, 104.1, 96, 95.9, 0, np.nan, np.inf])
    expected = [True, True, False, True, False, False, False, False]
    assert tempo_accuracy(np.full(8, 100.0), tempi).tolist() == expected


@pytest.mark.parametrize("factor", OCTAVES)
def test_accuracy_2_allows_halves_doubles_and_thirds(factor):
    truth = np.array([90.0, 126.0, 174.0])
    for change, is_right in ((0.961, True), (1.039, True), (0.959, False), (1.041, False)):
        assert (tempo_accuracy(truth, truth * factor * change, OCTAVES) == is_right).all()
    assert (tempo_accuracy(truth, truth * factor) == (factor == 1)).all()
    assert not tempo_accuracy(truth, truth * 4, OCTAVES).any()
    assert not tempo_accuracy(truth, truth * 1.5, OCTAVES).any()


def test_a_true_tempo_is_positive():
    with pytest.raises(ValueError, match="positive"):
        tempo_accuracy(np.array([0.0]), np.array([0.0]))
    with pytest.raises(ValueError, match="positive"):
        tempo_accuracy(np.array([np.nan]), np.array([1.0]))


@pytest.mark.parametrize(
    ("truth", "key", "relation"),
    [
        ("C major", "C major", "exact"),
        ("C major", "G major", "fifth"),
        ("C major", "F major", "fifth"),
        ("B minor", "F# minor", "fifth"),
        ("B minor", "E minor", "fifth"),
        ("C major", "A minor", "relative"),
        ("A minor", "C major", "relative"),
        ("Bb minor", "C# major", "relative"),
        ("C major", "C minor", "parallel"),
        ("Eb minor", "Eb major", "parallel"),
        ("C major", "G minor", "other"),
        ("C major", "Eb major", "other"),
        ("C major", "Eb minor", "other"),  # the relative of the parallel key
        ("C major", None, "other"),
    ],
)
def test_the_relation_of_two_keys(truth, key, relation):
    assert key_relation(truth, key) == relation


def test_every_key_has_as_many_neighbours_of_each_kind():
    for truth in ALL_KEYS:
        relations = [key_relation(truth, key) for key in ALL_KEYS]
        counts = {relation: relations.count(relation) for relation in KEY_WEIGHTS}
        assert counts == {"exact": 1, "fifth": 2, "relative": 1, "parallel": 1, "other": 19}


def test_the_score_is_mirex_s():
    keys = ["C major", "G major", "A minor", "C minor", "D major", None]
    assert key_score(["C major"] * 6, keys).tolist() == [1, 0.5, 0.3, 0.2, 0, 0]
