"""A describer with bad input, long input and other chunks."""

import tracemalloc
from dataclasses import asdict

import numpy as np
import pytest

from schemas.descriptions import Description
from tests.workers.description.signals import MAJOR, MINOR, RATE, chords, clicks, describe, sine
from workers.description.describer import Describer

NOTHING = Description()


def music(seconds=10.0):
    """Return clicks of 120 beats a minute over a cadence in C, stereo."""
    harmony = chords([(0, MAJOR), (5, MAJOR), (7, MAJOR), (0, MAJOR), (-3, MINOR)], seconds / 5)
    beats = clicks(120, seconds)[:, : harmony.shape[1]]
    return np.concatenate([harmony + 0.2 * beats, 0.5 * harmony + 0.3 * beats])


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(np.zeros((2, 0)), id="no samples"),
        pytest.param(np.zeros((2, 5 * RATE)), id="silence"),
        pytest.param(np.full((2, 5 * RATE), np.nan), id="NaN"),
        pytest.param(np.full((1, 5 * RATE), -np.inf), id="infinity"),
    ],
)
def test_silence_has_no_description(samples):
    assert describe(samples) == NOTHING


def test_no_chunk_has_no_description():
    assert Describer().finish() == NOTHING


def test_a_rate_without_sound_has_no_description():
    assert describe(music()[:, :100], rate=1) == NOTHING


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        pytest.param(music()[:, :RATE], RATE, id="1 s"),
        pytest.param(music()[:, :1], RATE, id="1 sample"),
        pytest.param(np.tile(music(), (4, 1)), RATE, id="8 channels"),
        pytest.param(music()[:1, ::5], 8_820, id="8 kHz"),
        pytest.param(music()[:, :2000], 100, id="100 Hz"),
        pytest.param(np.full((2, 5 * RATE), 0.5), RATE, id="DC"),
        pytest.param(np.full((2, 5 * RATE), 3e38), RATE, id="the greatest floats"),
        pytest.param(np.full((2, 5 * RATE), 1e-42), RATE, id="the least floats"),
        pytest.param(np.sign(sine(50, 5))[None], RATE, id="full scale"),
        pytest.param(np.random.default_rng(0).normal(0, 0.1, (2, 5 * RATE)), RATE, id="noise"),
    ],
)
def test_odd_input_gives_finite_numbers_and_nulls(samples, rate):
    description = asdict(describe(samples, rate))
    numbers = [value for value in description.values() if isinstance(value, float)]
    assert np.isfinite(numbers).all()
    for value, confidence in (("bpm", "bpm_confidence"), ("musical_key", "key_confidence")):
        assert (description[value] is None) == (description[confidence] == 0)
        assert 0 <= description[confidence] <= 1


def test_a_few_bad_samples_change_little():
    samples = music()
    damaged = samples.copy()
    damaged[:, ::50_000] = np.nan
    damaged[:, 1::50_000] = np.inf
    whole, repaired = describe(samples), describe(damaged)
    assert (repaired.musical_key, repaired.mode) == (whole.musical_key, whole.mode) == ("C", "major")
    assert repaired.bpm == pytest.approx(whole.bpm, rel=0.01)
    assert repaired.loudness_lufs == pytest.approx(whole.loudness_lufs, abs=0.1)


@pytest.mark.parametrize("chunk", [1_000, 131_072, 10**7])
def test_other_chunks_give_the_same_description(chunk):
    samples = music(26.0)  # more than a stretch
    expected, description = asdict(describe(samples, chunk=77_777)), asdict(describe(samples, chunk=chunk))
    for name, value in expected.items():
        assert description[name] == (pytest.approx(value, abs=1e-4) if isinstance(value, float) else value), name


def test_rate_and_channels_may_change():
    samples = music(20.0)
    half = samples.shape[1] // 2
    describer = Describer()
    describer.add(samples[:, :half].astype(np.float32), RATE)
    describer.add(samples[:1, half::2].astype(np.float32), RATE // 2)
    description, whole = describer.finish(), describe(samples)
    assert (description.musical_key, description.mode) == (whole.musical_key, whole.mode)
    assert description.bpm == pytest.approx(whole.bpm, rel=0.01)


def test_channels_that_cancel_are_described_by_the_first():
    one_channel = music()[:1]
    cancelled, plain = describe(np.concatenate([one_channel, -one_channel])), describe(one_channel)
    assert cancelled.bpm == pytest.approx(plain.bpm)
    assert (cancelled.musical_key, cancelled.mode) == (plain.musical_key, plain.mode)


def test_intro_is_the_time_until_sound_begins():
    silence = np.zeros((2, round(3.2 * RATE)))
    assert describe(np.concatenate([silence, music()], axis=1)).intro_s == pytest.approx(3.2, abs=0.1)
    assert describe(music()).intro_s == 0


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(clicks(30, 4), id="clicks"),
        pytest.param(np.random.default_rng(0).normal(0, 1e-3, (1, 4 * RATE)), id="hiss"),
        pytest.param(0.05 * sine(10, 4)[None] + 0.1, id="rumble and DC"),
    ],
)
def test_noises_before_the_music_are_intro(before):
    sound = np.concatenate([np.tile(before, (2, 1)), music(20.0)], axis=1)
    assert describe(sound).intro_s == pytest.approx(4, abs=0.11)


def measured_growth(minutes, after):
    """Return by how many bytes the peak of memory grows after so many minutes of a file of 8 kHz."""
    describer, rate = Describer(), 8_000
    chunk = np.random.default_rng(0).normal(0, 0.1, (1, 10 * rate)).astype(np.float32)
    tracemalloc.start()
    try:
        for step in range(minutes * 6):
            if step == after * 6:
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
            describer.add(chunk, rate)
        assert describer.finish().loudness_lufs is not None
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_length():
    assert measured_growth(10, after=2) < 15e6  # the work on one stretch


@pytest.mark.slow
def test_memory_of_six_hours():
    assert measured_growth(360, after=2) < 25e6
