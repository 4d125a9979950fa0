import struct
from types import SimpleNamespace

import numpy as np
import pytest

from workers.synthetic_music.demo.synthesis import soundfont_path
from workers.synthetic_music.score.notes import Note
from workers.synthetic_music.score.voices import VOICES
from workers.synthetic_music.sources.base import RATE
from workers.synthetic_music.sources.soundfont_samples import SoundfontSamples
from workers.synthetic_music.sources.soundfonts import OPEN_CUTOFF, open_filters


def small_font(*generators: tuple[int, int]) -> bytes:
    """Make a sound bank that has only the instruments' generators, in its last chunk."""
    amounts = b"".join(struct.pack("<Hh", *generator) for generator in generators)
    return (
        b"RIFF....sfbk" + b"odd igen bytes of a sample" + b"igen" + struct.pack("<I", len(amounts)) + amounts + b"shdr"
    )


def test_only_the_muffled_filters_are_opened():
    content = small_font((8, 6237), (48, 6237), (8, 5000))
    assert open_filters(content, 6237) == small_font((8, OPEN_CUTOFF), (48, 6237), (8, 5000))


@pytest.fixture
def samples():
    return SoundfontSamples(soundfont_path())


def play(source, voice, rng, seconds=4):
    keys = VOICES[voice].instrument.keys or (60,)
    return source.play(voice, [Note(0, 2.5, keys[0], 100)], seconds, rng)


@pytest.mark.parametrize("voice", ["drum kit", "triangle", "violin", "synth bass", "applause"])
def test_every_kind_of_voice_sounds_from_samples_alone(samples, voice):
    sound = play(samples, voice, np.random.default_rng(0))
    assert (sound.shape, np.isfinite(sound).all()) == ((4 * RATE, 2), True)
    assert np.abs(sound).max() > 0.01
    assert np.array_equal(sound, play(samples, voice, np.random.default_rng(0)))


def test_struck_sounds_decay_at_a_rate_that_is_drawn(samples):
    def late_share(voice: str, half_life: float) -> float:
        rng = SimpleNamespace(uniform=lambda _, high: np.log(half_life) if high > 1 else 0.0, random=np.zeros)
        sound = np.abs(play(samples, voice, rng)).max(axis=1)
        return sound[3 * RATE // 2 : 2 * RATE].max() / sound[RATE // 2 : RATE].max()

    assert late_share("church organ", 0.2) > 0.5
    assert late_share("vibraphone", 0.2) < 0.1 < late_share("vibraphone", 4.0)


@pytest.mark.parametrize("voice", ["piano", "violin", "flute", "church organ"])
def test_samples_sound_at_the_pitch_that_is_written(samples, voice):
    for pitch in (60, 67, 72):
        sound = samples.play(voice, [Note(0, 1.4, pitch, 100)], 1.5, np.random.default_rng(1))[RATE // 5 :, 0]
        due = RATE / (440 * 2 ** ((pitch - 69) / 12))  # frames of a period
        nearby = np.arange(round(due * 0.95), round(due * 1.06))
        likeness = [np.dot(sound[:RATE], sound[lag : lag + RATE]) for lag in nearby]
        cents = 1200 * np.log2(nearby[int(np.argmax(likeness))] / due)
        assert abs(cents) < 30
