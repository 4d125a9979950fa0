"""Tempo of clicks by formula, and what has none."""

import numpy as np
import pytest

from tests.workers.description.signals import RATE, clicks, describe, sine
from workers.description.tempo import TEMPOS, choose_tempo


@pytest.mark.parametrize("bpm", [62, 90, 107.5, 128, 150])
def test_clicks_have_their_tempo_or_an_octave_of_it(bpm):
    description = describe(clicks(bpm, 20, accent=4))
    ratio = description.bpm / bpm
    assert min(abs(ratio - octave) for octave in (0.5, 1, 2)) < 0.005
    assert description.bpm_alternative != description.bpm
    assert 0 < description.bpm_confidence <= 1


@pytest.mark.parametrize("bpm", [85, 100, 120])
def test_a_common_tempo_is_exact(bpm):
    assert describe(clicks(bpm, 20, accent=4)).bpm == pytest.approx(bpm, rel=0.005)


def test_stretches_of_a_long_track_agree():
    """70 s are three stretches, the last of them short."""
    assert describe(clicks(120, 70, accent=4)).bpm == pytest.approx(120, rel=0.005)


def test_the_tempo_does_not_depend_on_the_level():
    loud, soft = (describe(clicks(110, 12) * gain) for gain in (1, 0.01))
    assert soft.bpm == pytest.approx(loud.bpm, rel=1e-3)


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(np.random.default_rng(0).normal(0, 0.1, 20 * RATE), id="noise"),
        pytest.param(0.5 * sine(440, 20), id="a steady tone"),
        pytest.param(clicks(120, 3)[0], id="3 s"),
    ],
)
def test_without_rhythm_there_is_no_tempo(sound):
    description = describe(sound[None])
    assert (description.bpm, description.bpm_alternative, description.bpm_confidence) == (None, None, 0)


def test_a_rival_lowers_the_confidence():
    alone = np.exp(-(((TEMPOS - 120) / 2) ** 2))
    rival = alone + 0.9 * np.exp(-(((TEMPOS - 60) / 1) ** 2))
    sure, unsure = choose_tempo(alone), choose_tempo(rival)
    assert sure.bpm == unsure.bpm == pytest.approx(120, rel=0.01)
    assert unsure.alternative == pytest.approx(60, rel=0.01)
    assert 0.5 < unsure.confidence < sure.confidence
