"""Amplifiers and pickups of electric instruments: effects on the sum of a part's tones."""

import numpy as np
from numpy.random import Generator

from workers.synthetic_music.sources.base import RATE
from workers.synthetic_music.sources.synthesis.tones import Effect, draw, high_pass, low_pass, resonate


def clean(low: float, high: float) -> Effect:
    """Return an amplifier without distortion whose cabinet ends between two frequencies in Hz."""

    def amplify(sound: np.ndarray, rng: Generator) -> np.ndarray:
        cutoff, middle = draw(rng, low, high), draw(rng, 300, 900)
        scaled = _normalise(sound)
        warm = np.tanh(rng.uniform(0.2, 1.2) * scaled)
        return high_pass(low_pass(warm, cutoff, 2) + 0.3 * resonate(warm, middle, middle), 35)

    return amplify


def driven(low: float, high: float) -> Effect:
    """Return an amplifier that clips; its gain is drawn from the range.

    Two stages of asymmetric clipping with a highpass between, then a cabinet (after Yeh & Smith 2006, simplified).
    """

    def amplify(sound: np.ndarray, rng: Generator) -> np.ndarray:
        gain, cutoff = draw(rng, low, high), draw(rng, 2500, 4500)
        bias = rng.uniform(0.0, 0.3)
        first = np.tanh(gain * high_pass(_normalise(sound), draw(rng, 80, 250)) + bias) - np.tanh(bias)
        second = np.tanh(np.sqrt(gain) * high_pass(first, 60))
        boxed = low_pass(second, cutoff, 3)
        presence = resonate(second, draw(rng, 1500, 3200), 1200)
        return high_pass(boxed + rng.uniform(0.1, 0.5) * presence, 70)

    return amplify


def pickup(low: float, high: float) -> Effect:
    """Return a pickup with a resonance and a light saturation.

    The drive is drawn from the range.
    """

    def amplify(sound: np.ndarray, rng: Generator) -> np.ndarray:
        drive, centre = draw(rng, low, high), draw(rng, 1500, 3500)
        bent = np.tanh(drive * _normalise(sound) + 0.2) - np.tanh(0.2)
        return high_pass(bent + rng.uniform(0.3, 1) * resonate(bent, centre, 900), 60)

    return amplify


def chorus(low: float, high: float) -> Effect:
    """Return a chorus: copies whose delay swings by a depth in ms.

    The depth is drawn from the range.
    """

    def mix(sound: np.ndarray, rng: Generator) -> np.ndarray:
        frames = np.arange(len(sound))
        total = sound.copy()
        for _ in range(2):
            depth, rate = rng.uniform(low, high) * RATE / 1000, rng.uniform(0.3, 1.2)
            swing = depth * (1.2 + np.sin(2 * np.pi * rate * frames / RATE + rng.uniform(0, 6.3)))
            total += 0.6 * np.interp(frames - swing - 0.006 * RATE, frames, sound)
        return total

    return mix


def rotor(low: float, high: float) -> Effect:
    """Return a rotating speaker, with vibrato and tremolo.

    Their rate in Hz is drawn from the range.
    """

    def turn(sound: np.ndarray, rng: Generator) -> np.ndarray:
        frames = np.arange(len(sound))
        angle = 2 * np.pi * draw(rng, low, high) * frames / RATE + rng.uniform(0, 6.3)
        depth = rng.uniform(0.00005, 0.00025) * RATE
        moved = np.interp(frames - depth * (1 + np.sin(angle)) - 1, frames, sound)
        return moved * (1 + rng.uniform(0.05, 0.3) * np.cos(angle))

    return turn


def combine(*effects: Effect) -> Effect:
    """Return the effects in their order."""

    def apply(sound: np.ndarray, rng: Generator) -> np.ndarray:
        for effect in effects:
            sound = effect(sound, rng)
        return sound

    return apply


def _normalise(sound: np.ndarray) -> np.ndarray:
    peak = float(np.abs(sound).max())
    return sound / peak if peak else sound
