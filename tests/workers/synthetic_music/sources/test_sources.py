"""Sources of sound: each voice of each source sounds, equally every time, and in tune."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from schemas.errors import UserError
from schemas.settings import Settings
from tests.workers.synthetic_music.sources.pitch import cents_off, partial_cents_off
from workers.synthetic_music.score.notes import Note
from workers.synthetic_music.score.voices import VOICES
from workers.synthetic_music.sources.base import RATE, Source, SourceRegistration
from workers.synthetic_music.sources.registry import SOURCES, sources_of_splits
from workers.synthetic_music.sources.sampler import Sampler

SECONDS = 1.2
AUDIBLE = -50.0  # dBFS
IN_TUNE = 20.0  # cents
# Packages of 20 MB and more: tested where they are kept.
LARGE = frozenset("fluidr3 fluidr3-samples musescore-general musescore-general-samples".split())
LARGE |= frozenset("hydrogen-free hydrogen-gpl salamander sonic-pi".split())
TRAINING = sources_of_splits()["train"]
NO_PITCH = frozenset("noise swell boom hit taps shakes kit rolls".split())  # manners
INHARMONIC = frozenset(("mallet", "bell"))  # manners


@cache
def load(name: str) -> Source | str:
    """Return the source, or why its packages are not here."""
    settings = Settings()
    if name in LARGE and not all((settings.models / package.folder).exists() for package in SOURCES[name].packages):
        return f"the packages of {name} are large, and not in {settings.models}"
    try:
        return SOURCES[name].load(SOURCES[name].fetch(settings.models, settings.soundfonts))
    except UserError as error:
        return str(error)


def has_pitch(voice: str) -> bool:
    # The strongest partial of these bells is not their pitch.
    return VOICES[voice].manner not in NO_PITCH and voice not in ("agogo bells", "tubular bells")


def sources(fits: Callable[[SourceRegistration], bool] = lambda _: True) -> list:
    return [
        pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else [])
        for name, source in SOURCES.items()
        if fits(source)
    ]


def percussion(source: SourceRegistration) -> list[str]:
    return [voice for voice in sorted(source.voices) if VOICES[voice].is_percussion]


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


# test_synthesizers.py hears the voices of computed sources.
@pytest.mark.parametrize("name", sources(lambda source: not source.is_computed))
def test_every_voice_sounds_and_is_the_same_twice(name):
    levels = {}
    for voice in sorted(SOURCES[name].voices):
        low = middle_of(voice) if VOICES[voice].is_percussion else VOICES[voice].instrument.low
        notes = [Note(0.0, 0.4, low, 90), Note(0.4, 0.6, middle_of(voice), 90)]
        sound = play(name, voice, notes)
        assert (sound.shape, sound.dtype) == ((round(SECONDS * RATE), 2), np.float32), voice
        assert np.isfinite(sound).all(), voice
        np.testing.assert_array_equal(sound, play(name, voice, notes), voice)
        levels[voice] = decibels(sound[:RATE])
    assert not {voice: level for voice, level in levels.items() if not level > AUDIBLE}


@pytest.mark.parametrize("name", sources(lambda source: source.name in TRAINING and not source.is_computed))
def test_every_voice_is_in_tune(name):
    cents = {}
    for voice in filter(has_pitch, sorted(SOURCES[name].voices)):
        pitch = middle_of(voice)
        sound = play(name, voice, [Note(0.0, 1.0, pitch, 90)]).mean(axis=1)
        measure = partial_cents_off if VOICES[voice].manner in INHARMONIC else cents_off
        cents[voice] = measure(sound[RATE // 40 : RATE * 9 // 10], RATE, pitch)
    assert not {voice: off for voice, off in cents.items() if not abs(off) < IN_TUNE}


@pytest.mark.parametrize("name", sources(lambda source: bool(percussion(source))))
def test_every_key_of_percussion_sounds(name):
    levels = {
        (voice, key): decibels(play(name, voice, [Note(0.0, 0.3, key, 90)], 0.5)[: RATE // 2])
        for voice in percussion(SOURCES[name])
        for key in VOICES[voice].instrument.keys
    }
    assert not {key: level for key, level in levels.items() if not level > AUDIBLE}


@pytest.mark.parametrize("name", sources())
def test_every_patch_can_be_loaded(name):
    """Found so: a kit names a file that its package lacks, and only some seeds draw that kit."""
    source = load(name)
    if isinstance(source, str):
        pytest.skip(source)
    if isinstance(source, Sampler):
        assert all(loader().samples for loaders in source.loaders.values() for loader in loaders)
