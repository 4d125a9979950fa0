"""Sounds of nature and machines, and a reversed cymbal."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from workers.synthetic_music.sources.base import RATE
from workers.synthetic_music.sources.synthesis.tones import (
    Model,
    Tone,
    Tones,
    draw,
    envelope,
    high_pass,
    low_pass,
    noise,
    resonate,
)


def _seashore(tone: Tone, rng: Generator, mood: float) -> np.ndarray:
    frames = round((tone.seconds + 1) * RATE)
    time = np.arange(frames) / RATE
    swell = 0.5 - 0.5 * np.cos(2 * np.pi * time / (tone.seconds + 1)) + 0.1
    surf = low_pass(noise(rng, frames), 400 + 800 * mood) + 0.4 * swell * high_pass(noise(rng, frames), 1500)
    return surf * swell


def _reverse_cymbal(tone: Tone, rng: Generator, mood: float) -> np.ndarray:
    frames = tone.frames
    rise = np.exp(-(frames - np.arange(frames)) / RATE / (0.25 + 0.5 * mood))
    return low_pass(high_pass(noise(rng, frames), 1500 + 2000 * mood), 7000) * rise


def _breath(tone: Tone, rng: Generator, mood: float) -> np.ndarray:
    level = envelope(tone, 0.05, 0.15)
    return resonate(noise(rng, len(level)), (1.5 + mood) * tone.frequency, 700) * level * 3


def _fret(tone: Tone, rng: Generator, mood: float) -> np.ndarray:
    frames = round((0.08 + 0.15 * mood) * RATE)
    glide = np.linspace(1, 1.3 + 0.5 * mood, frames)
    squeak = np.sin(2 * np.pi * np.cumsum(6 * tone.frequency * glide) / RATE)
    shape = np.hanning(frames)
    return (0.4 * squeak + resonate(noise(rng, frames), 7 * tone.frequency, 900)) * shape


def _birds(tone: Tone, rng: Generator, mood: float) -> np.ndarray:
    sound = np.zeros(round(max(tone.seconds, 0.3) * RATE))
    start = 0
    while start < len(sound) - 2400:
        size = int(rng.integers(1800, 7000))
        time = np.arange(size) / RATE
        sweep = rng.uniform(-0.5, 0.5) * time / time[-1] + 0.05 * np.sin(2 * np.pi * rng.uniform(20, 60) * time)
        chirp = np.sin(2 * np.pi * np.cumsum((2500 + 2500 * mood) * 2 ** (sweep + tone.pitch % 12 / 24)) / RATE)
        part = sound[start : start + size]
        part += (chirp * np.hanning(size))[: len(part)]
        start += size + int(rng.integers(0, 6000))
    return sound


def _telephone(tone: Tone, rng: Generator, mood: float) -> np.ndarray:
    level = envelope(tone, 0.005, 0.1)
    time = np.arange(len(level)) / RATE
    gate = np.sin(2 * np.pi * (14 + 10 * mood) * time) > 0
    pair = (1, 1.25 + 0.2 * mood + rng.uniform(0, 0.02))
    partials = sum(
        np.sin(2 * np.pi * ratio * 3 * tone.frequency * time) for ratio in (*pair, 2 * pair[0], 2.6 * pair[1])
    )
    return low_pass(partials * (0.3 + gate), 6000) * level


def _helicopter(tone: Tone, rng: Generator, mood: float) -> np.ndarray:
    level = envelope(tone, 0.1, 0.2)
    cycles = (10 + 6 * mood) * np.arange(len(level)) / RATE
    chop = np.exp(-6 * (cycles % 1))
    rotor = low_pass(noise(rng, len(level)), 250 + 300 * mood, 2) * 6 + 0.2 * low_pass(noise(rng, len(level)), 3000)
    return rotor * (0.15 + chop) * level


def _applause(tone: Tone, rng: Generator, mood: float) -> np.ndarray:
    level = envelope(tone, 0.2, 0.4)
    claps = np.zeros(len(level))
    hits = rng.integers(0, len(level), max(8, int(len(level) / RATE * (150 + 400 * mood))))
    np.add.at(claps, hits, rng.uniform(0.3, 1, len(hits)))
    shape = np.exp(-np.arange(500) / 90) * noise(rng, 500)
    crowd = np.convolve(claps, shape)[: len(level)]
    return (resonate(crowd, 1300, 1500) + 0.05 * resonate(noise(rng, len(level)), 1200, 2000)) * level


def _gunshot(tone: Tone, rng: Generator, mood: float) -> np.ndarray:
    time = np.arange(round(1.2 * RATE)) / RATE
    crack = noise(rng, len(time)) * np.exp(-time / 0.015)
    boom = (
        low_pass(noise(rng, len(time)), 500 + 500 * mood, 2)
        * np.exp(-time / (0.1 + 0.2 * mood))
        * (2 + 2 * tone.velocity)
    )
    return np.tanh(2 * (crack + boom)) * np.exp(-time / 0.4)


Maker = Callable[[Tone, Generator, float], np.ndarray]
MAKERS: dict[str, Maker] = {
    "seashore": _seashore,
    "reverse cymbal": _reverse_cymbal,
    "breath noise": _breath,
    "fret noise": _fret,
    "birdsong": _birds,
    "telephone": _telephone,
    "helicopter": _helicopter,
    "applause": _applause,
    "gunshot": _gunshot,
}


def _model(make: Maker) -> Model:
    def play(tones: Tones, rng: Generator) -> list[np.ndarray]:
        mood = draw(rng, 1, 2) - 1  # 0 to 1: the same for a clip
        return [make(tone, rng, mood) * tone.velocity for tone in tones]

    return Model(play)


MODELS = {name: _model(make) for name, make in MAKERS.items()}
