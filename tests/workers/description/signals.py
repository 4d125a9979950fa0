"""Signals by formula, whose tempo, key and loudness are known."""

import numpy as np

from schemas.descriptions import Description
from workers.description.describer import Describer

RATE = 44_100
CHUNK = 1 << 17  # as decoding cuts them
MAJOR, MINOR = (0, 4, 7), (0, 3, 7)


def describe(samples: np.ndarray, rate: int = RATE, chunk: int = CHUNK) -> Description:
    """Describe float [channels, n], fed in chunks."""
    describer = Describer()
    for start in range(0, samples.shape[1], chunk):
        describer.add(samples[:, start : start + chunk].astype(np.float32), rate)
    return describer.finish()


def sine(hertz: float, seconds: float, rate: int = RATE, phase: float = 0.0) -> np.ndarray:
    """Return a sine of amplitude 1, [n]."""
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate + phase)


def levels(steps: list[tuple[float, float]], rate: int = 48_000) -> np.ndarray:
    """Return a stereo sine of 1 kHz, [2, n]; `steps` are pairs of its level in dB and the seconds that it lasts."""
    gains = np.concatenate([np.full(round(seconds * rate), 10 ** (level / 20)) for level, seconds in steps])
    return np.tile(sine(1000, len(gains) / rate, rate) * gains, (2, 1))


def clicks(bpm: float, seconds: float, accent: int = 1, rate: int = RATE) -> np.ndarray:
    """Return bursts of noise on the beats of a tempo, [1, n]; every `accent`th is louder."""
    sound = np.zeros((1, round(seconds * rate)))
    noise = np.random.default_rng(0).normal(0, 0.3, rate // 20) * np.exp(-np.arange(rate // 20) / (rate / 100))
    for beat in range(int(seconds * bpm / 60)):
        start = round(beat * 60 / bpm * rate)
        part = noise[: sound.shape[1] - start]
        sound[0, start : start + len(part)] += part if beat % accent else 2 * part
    return sound


def chords(triads: list[tuple[int, tuple[int, ...]]], seconds: float = 2.0, tuning: float = 0.0) -> np.ndarray:
    """Return chords of tones with four harmonics, [1, n].

    A triad is the pitch class of its root and the steps above it; `tuning` is in semitones.
    """
    sounds = []
    for root, steps in triads:
        pitches = [48 + root, *(60 + root + step for step in steps)]
        hertz = [440 * 2 ** ((pitch + tuning - 69) / 12) for pitch in pitches]
        tones = [sine(part * tone, seconds) / part**2 for tone in hertz for part in (1, 2, 3, 4)]
        sounds.append(np.sum(tones, axis=0) * np.exp(-np.arange(len(tones[0])) / RATE))
    return 0.1 * np.concatenate(sounds)[None]
