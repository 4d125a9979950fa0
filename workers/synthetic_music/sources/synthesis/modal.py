"""Modal synthesis of bars, bells, plates and struck or plucked stiff strings.

A struck solid is a sum of decaying sines (Adrien 1991). The ratios of the modes are those of Fletcher and Rossing, The
Physics of Musical Instruments (1998): bars, chapter 19; membranes, 18; bells, 21; strings, 12.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from workers.synthetic_music.sources.base import RATE
from workers.synthetic_music.sources.synthesis.tones import (
    Model,
    Pair,
    Tone,
    Tones,
    draw,
    low_pass,
    noise,
    release_curve,
    sum_partials,
)

UNIFORM_BAR = (1.0, 2.756, 5.404, 8.933, 13.34)
TUBE = tuple((2 * mode + 1) ** 2 / 40.5 for mode in range(1, 9))  # the fourth to sixth give the strike note
BELL = (0.5, 1.0, 1.2, 1.5, 2.0, 2.51, 2.66, 3.01, 4.17, 5.43)
CLAMPED_BAR = (1.0, 6.27, 17.55)


@dataclass(frozen=True, slots=True)
class ModeSpec:
    """A struck solid: ranges from which each clip draws.

    `ring` is seconds until 1/e of the fundamental at 440 Hz; `damping` the power of a ratio by which higher modes
    ring shorter; `hardness` the cutoff of the mallet in Hz; `release` seconds until 1/e after the note's end, or None
    if it rings on; `split` the beating of double modes in Hz; `tremolo` the depth of a motor.
    """

    ratios: tuple[float, ...]
    ring: Pair
    levels: tuple[float, ...] = ()
    damping: Pair = (0.8, 1.4)
    hardness: Pair = (2000, 8000)
    click: Pair = (0.0, 0.15)
    release: float | None = None
    split: Pair = (0.0, 0.6)
    tremolo: Pair = (0.0, 0.0)
    scaling: float = 0.6  # how much shorter high notes ring


def strike(spec: ModeSpec) -> Model:
    """Return the model of a struck solid."""
    return Model(lambda tones, rng: _play(spec, tones, rng))


def _play(spec: ModeSpec, tones: Tones, rng: Generator) -> list[np.ndarray]:
    ratios = np.array(spec.ratios)
    bent = ratios * np.where(np.abs(ratios - 1) < 1e-9, 1.0, rng.uniform(0.985, 1.015, len(ratios)))
    levels = np.array(spec.levels or [1 / (1 + index) ** 0.7 for index in range(len(ratios))])
    levels = levels * np.where(np.abs(ratios - 1) < 1e-9, 1.0, np.exp(rng.normal(0, 0.4, len(ratios))))
    ring, hardness = draw(rng, *spec.ring), draw(rng, *spec.hardness)
    damping, click, split = (rng.uniform(*pair) for pair in (spec.damping, spec.click, spec.split))
    depth, speed = rng.uniform(*spec.tremolo), rng.uniform(3, 7)
    sounds = []
    for tone in tones:
        length = ring * (440 / tone.frequency) ** spec.scaling
        frames = round(min(4.5 * length, 4.0) * RATE)
        if spec.release is not None:
            frames = min(frames, tone.frames + round(4 * spec.release * RATE))
        frequencies = np.concatenate([bent * tone.frequency - split / 2, bent * tone.frequency + split / 2])
        weights = levels * np.exp(-tone.frequency * (bent - 1) / (hardness * (0.4 + tone.velocity)))
        weights = np.tile(weights * rng.uniform(0.8, 1.2, len(bent)), 2)
        decays = np.tile(length / np.maximum(bent, 0.3) ** damping, 2)
        sound = sum_partials(frequencies, decays, weights, frames) * tone.velocity**1.5
        sound *= 1 + depth * (np.sin(2 * np.pi * speed * np.arange(frames) / RATE) - 1) / 2
        sounds.append(_finish(spec, tone, sound, click, hardness, rng))
    return sounds


def _finish(
    spec: ModeSpec, tone: Tone, sound: np.ndarray, click: float, hardness: float, rng: Generator
) -> np.ndarray:
    """Return the sound with the noise of its stroke and its release."""
    size = min(len(sound), 1500)
    knock = low_pass(noise(rng, size), hardness, 2) * np.exp(-np.arange(size) / 200)
    sound[:size] += click * knock * tone.velocity
    sound[-240:] *= np.linspace(1, 0, len(sound[-240:]))
    return sound if spec.release is None else sound * release_curve(tone, len(sound), 4 * spec.release)


MODES = {
    "marimba": ModeSpec((1, 3.95, 9.6), (0.12, 0.3), (1, 0.35, 0.12), hardness=(800, 3000), click=(0.05, 0.2)),
    "xylophone": ModeSpec((1, 3, 6.1, 10), (0.07, 0.16), (1, 0.5, 0.3, 0.1), hardness=(4000, 12000), click=(0.1, 0.4)),
    "vibraphone": ModeSpec((1, 4, 10.2), (1.0, 2.5), (1, 0.25, 0.06), hardness=(1500, 5000), click=(0, 0.05),
        release=0.12, tremolo=(0, 0.8)),
    "glockenspiel": ModeSpec(UNIFORM_BAR, (1.5, 3.5), (1, 0.5, 0.25, 0.1, 0.05), hardness=(6000, 16000)),
    "celesta": ModeSpec((1, 2.77, 5.4, 8.0), (0.5, 1.3), (1, 0.15, 0.1, 0.03), hardness=(2000, 6000), click=(0.02,
        0.1), release=0.2),
    "music box": ModeSpec((1, 6.27, 17.55, 2.0), (0.5, 1.2), (1, 0.3, 0.1, 0.1), hardness=(6000, 14000), click=(0.05,
        0.2)),
    "tubular bells": ModeSpec(TUBE, (1.5, 3.5), (0.05, 0.15, 0.4, 1, 0.9, 0.7, 0.4, 0.2), (0.4, 0.8), (2500, 8000),
        (0.02, 0.1), 0.6),
    "kalimba": ModeSpec((1, 5.6, 6.27, 14.5), (0.3, 0.8), (1, 0.15, 0.15, 0.04), hardness=(3000, 9000), click=(0.05,
        0.3)),
    "steel drums": ModeSpec((1, 2, 3.0, 4.04, 5.1), (0.25, 0.6), (1, 0.9, 0.5, 0.3, 0.15), (0.3, 0.8), (2500, 7000),
        (0.02, 0.1), None, (0.5, 3)),
    "tinkle bell": ModeSpec((1, 2.1, 2.76, 4.3, 5.4, 7.1), (0.6, 1.8), (1, 0.6, 0.6, 0.4, 0.3, 0.2), hardness=(8000,
        18000), split=(1, 6)),
    "agogo bells": ModeSpec((1, 1.52, 2.83, 4.1, 5.9, 7.8), (0.08, 0.25), (1, 0.8, 0.6, 0.4, 0.3, 0.2), (0.3, 0.8),
        (5000, 12000), (0.05, 0.3)),
    "woodblock": ModeSpec((1, 2.5, 3.9, 5.6), (0.02, 0.05), (1, 0.5, 0.3, 0.2), (0.4, 0.9), (3000, 9000), (0.1, 0.4)),
    "timpani": ModeSpec((1, 1.504, 1.983, 2.44, 2.89, 0.81), (0.35, 0.8), (1, 0.7, 0.4, 0.25, 0.15, 0.4), (0.1, 0.5),
        (300, 900), (0.1, 0.4), scaling=0.1),
    "taiko drum": ModeSpec((1, 1.594, 2.136, 2.296, 2.653, 2.918), (0.15, 0.4), (1, 0.6, 0.5, 0.4, 0.3, 0.2), (0.6,
        1.2), (300, 1200), (0.3, 1), scaling=0.2),
    "melodic tom": ModeSpec((1, 1.594, 2.136, 2.296, 2.653), (0.12, 0.35), (1, 0.4, 0.3, 0.2, 0.1), (0.6, 1.2), (500,
        2500), (0.2, 0.6), scaling=0.3),
    "crystal synth": ModeSpec((1, 2, 3, 4.2, 5.4, 6.8), (0.8, 2), (1, 0.5, 0.4, 0.4, 0.3, 0.2), (0.2, 0.6), (6000,
        14000), (0, 0.05), 0.5, (0.5, 2)),
}  # fmt: skip
MODELS = {name: strike(spec) for name, spec in MODES.items()}
