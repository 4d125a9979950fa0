"""Sources of sound: each voice of each source sounds, equally every time, and in tune."""

from functools import cache

import numpy as np
import pytest

from schemas.errors import UserError
from schemas.settings import Settings
from tests.workers.synthetic_music.sources.pitch import cents_off, partial_cents_off
from workers.synthetic_music.corpus.voices import PERCUSSION, VOICES
from workers.synthetic_music.score.notes import Note
from workers.synthetic_music.sources.base import RATE, Source
from workers.synthetic_music.sources.kits import KIT_KEYS, PERCUSSION_KEYS
from workers.synthetic_music.sources.registry import SOURCES

SECONDS = 1.2
AUDIBLE = -50.0  # dBFS
IN_TUNE = 20.0  # cents
# Too much to download in every run of the tests, 20 MB to 140 MB each.
LARGE = frozenset({"hydrogen-free", "hydrogen-gpl", "salamander", "tonejs"})
NO_PITCH = frozenset("noise swell boom hit taps shakes kit rolls".split())  # manners
INHARMONIC = frozenset(("mallet", "bell"))  # manners


@cache
def load(name: str) -> Source | str:
    """Return the source, or why its packages are not here."""
    settings = Settings()
    try:
        return SOURCES[name].load(SOURCES[name].fetch(settings.models, settings.soundfonts))
    except UserError as error:
        return str(error)


def all_voices(*, pitched: bool = False) -> list:
    return [
        pytest.param(name, voice, marks=[pytest.mark.slow] if name in LARGE else [], id=f"{name}-{voice}")
        for name, source in SOURCES.items()
        for voice in sorted(source.voices)
        if not pitched or VOICES[voice].manner not in NO_PITCH
    ]


def play(name: str, voice: str, notes: list[Note], seconds: float = SECONDS, seed: int = 0) -> np.ndarray:
    source = load(name)
    if isinstance(source, str):
        pytest.skip(source)
    return source.play(voice, notes, seconds, np.random.default_rng(seed))


def middle_of(voice: str) -> int:
    instrument = VOICES[voice].instrument
    return instrument.keys[0] if VOICES[voice].is_percussion else (instrument.low + instrument.high) // 2


def decibels(sound: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(sound.astype(np.float64) ** 2) + 1e-20))


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_says_what_it_is(name):
    source = SOURCES[name]
    assert source.name == name
    assert source.voices
    assert source.voices <= set(VOICES)
    assert source.origin
    assert source.licence


@pytest.mark.parametrize(("name", "voice"), all_voices())
def test_a_voice_sounds_and_is_the_same_twice(name, voice):
    notes = [Note(0.0, 1.0, middle_of(voice), 90)]
    sound = play(name, voice, notes)
    assert (sound.shape, sound.dtype) == ((round(SECONDS * RATE), 2), np.float32)
    assert np.isfinite(sound).all()
    assert decibels(sound[:RATE]) > AUDIBLE
    np.testing.assert_array_equal(sound, play(name, voice, notes))


@pytest.mark.parametrize(("name", "voice"), all_voices(pitched=True))
def test_a_voice_is_in_tune(name, voice):
    pitch = middle_of(voice)
    sound = play(name, voice, [Note(0.0, 1.0, pitch, 90)]).mean(axis=1)
    measure = partial_cents_off if VOICES[voice].manner in INHARMONIC else cents_off
    assert abs(measure(sound[RATE // 40 : RATE * 9 // 10], RATE, pitch)) < IN_TUNE


@pytest.mark.parametrize(("name", "voice"), [voice for voice in all_voices() if VOICES[voice.values[1]].is_percussion])
def test_every_key_of_a_percussion_voice_sounds(name, voice):
    for key in VOICES[voice].instrument.keys:
        assert decibels(play(name, voice, [Note(0.0, 0.3, key, 90)], 0.5)[: RATE // 2]) > AUDIBLE, key


def test_the_keys_are_those_of_the_corpus():
    keys = {voice.name: voice.instrument.keys for voice in PERCUSSION if voice.manner != "kit"}
    assert keys == PERCUSSION_KEYS
    assert {voice.instrument.keys for voice in PERCUSSION if voice.manner == "kit"} == {KIT_KEYS}
