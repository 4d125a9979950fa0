"""Keys of cadences by formula, and what has none."""

import numpy as np
import pytest

from schemas.descriptions import KEYS, to_camelot
from tests.workers.description.signals import MAJOR, MINOR, RATE, chords, describe
from workers.description.key import choose_key


def cadence(tonic, mode):
    """Return I IV V I, or i iv V i."""
    third = MAJOR if mode == "major" else MINOR
    roots = [(tonic, third), ((tonic + 5) % 12, third), ((tonic + 7) % 12, MAJOR), (tonic, third)]
    return chords([(root - 12 if root > 7 else root, steps) for root, steps in roots], 1.5)


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("tonic", [0, 4, 6, 9])
def test_a_cadence_has_its_key(tonic, mode):
    description = describe(cadence(tonic, mode))
    assert (description.musical_key, description.mode) == (KEYS[tonic], mode)
    assert description.camelot == to_camelot(KEYS[tonic], mode)
    assert 0 < description.key_confidence <= 1


@pytest.mark.parametrize("tuning", [-0.4, -0.2, 0.3])
def test_another_tuning_has_the_same_key(tuning):
    description = describe(chords([(2, MAJOR), (7, MAJOR), (-3, MAJOR), (2, MAJOR)], tuning=tuning))
    assert (description.musical_key, description.mode) == ("D", "major")


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(np.random.default_rng(0).normal(0, 0.1, 10 * RATE), id="noise"),
        pytest.param(chords([(0, MAJOR)], 1.0)[0], id="1 s"),
        pytest.param(chords([(0, MAJOR)], 10.0)[0] * 1e-5, id="too soft"),
    ],
)
def test_without_pitch_there_is_no_key(sound):
    description = describe(sound[None])
    assert (description.musical_key, description.mode, description.camelot) == (None, None, None)
    assert description.key_confidence == 0


def test_a_rival_lowers_the_confidence():
    clear = np.array([5, 0, 2, 0, 3, 2, 0, 4, 0, 2, 0, 1.5])
    between = clear + np.roll(clear, 7) * 0.9
    assert choose_key(between).confidence < choose_key(clear).confidence
