"""Struck and plucked stiff strings as sums of partials.

Partials are at n * f0 * sqrt(1 + B n^2) (Fletcher 1964). Strings of a unison are coupled, so that a tone first decays
fast, then slowly (Weinreich 1977). The point of the stroke silences partials with a node there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from workers.synthetic_music.sources.base import RATE
from workers.synthetic_music.sources.synthesis.amplifiers import chorus, clean, driven, pickup
from workers.synthetic_music.sources.synthesis.tones import (
    Effect,
    Model,
    Pair,
    Tone,
    Tones,
    draw,
    formants,
    low_pass,
    noise,
    release_curve,
    sum_partials,
)


@dataclass(frozen=True, slots=True)
class StiffSpec:
    """A string: ranges from which each clip draws.

    `ring` is seconds until 1/e at 220 Hz; `slope` the power of n by which partials weaken; `point` that of the
    stroke; `tip` the cutoff of hammer or finger in Hz; `damping` how fast higher partials decay, in 1/s at 1 kHz;
    `stiffness` B at 220 Hz; `unison` the number of strings and `detune` their distance in cents.
    """

    ring: Pair
    slope: Pair = (0.6, 1.2)
    point: Pair = (0.1, 0.15)
    tip: Pair = (1200, 4000)
    damping: Pair = (0.5, 2.0)
    stiffness: Pair = (1e-4, 5e-4)
    unison: int = 2
    detune: Pair = (0.2, 1.5)
    knock: Pair = (0.02, 0.1)
    release: float = 0.06
    body: tuple[tuple[float, float, float], ...] = ()


def excite(spec: StiffSpec, effect: Effect | None = None) -> Model:
    """Return the model of a string."""
    return Model(lambda tones, rng: _play(spec, tones, rng), effect)


def _play(spec: StiffSpec, tones: Tones, rng: Generator) -> list[np.ndarray]:
    ring, tip, stiffness = draw(rng, *spec.ring), draw(rng, *spec.tip), draw(rng, *spec.stiffness)
    slope, point, damping = (rng.uniform(*pair) for pair in (spec.slope, spec.point, spec.damping))
    detune, knock, size = rng.uniform(*spec.detune), rng.uniform(*spec.knock), rng.uniform(0.85, 1.15)
    sounds = []
    for tone in tones:
        length = ring * (220 / tone.frequency) ** 0.7
        frames = min(tone.frames + round(4 * spec.release * RATE), round(6 * length * RATE))
        count = int(min(60, 14_000 / tone.frequency))
        order = np.arange(1, max(2, count) + 1)
        bent = order * np.sqrt((1 + stiffness * order**2) / (1 + stiffness))
        frequencies = bent * tone.frequency
        levels = np.abs(np.sin(np.pi * order * point)) / order**slope
        levels = levels * np.exp(-frequencies / (tip * (0.3 + 1.2 * tone.velocity) + tone.frequency))
        levels = levels * rng.uniform(0.7, 1.3, len(order)) * tone.velocity
        if spec.body:
            levels = levels * formants(frequencies / size, spec.body, 0.4)
        decays = 1 / (1 / length + damping * (frequencies / 1000) ** 1.2)
        sounds.append(
            _finish(spec, tone, _unison(spec, (frequencies, decays, levels), frames, detune, rng), knock, rng)
        )
    return sounds


def _unison(
    spec: StiffSpec,
    partials: tuple[np.ndarray, np.ndarray, np.ndarray],
    frames: int,
    detune: float,
    rng: Generator,
) -> np.ndarray:
    """Return the strings of one tone; each further string is softer and rings longer."""
    frequencies, decays, levels = partials
    parts = []
    for number in range(spec.unison):
        bend = 2 ** (detune * (number - (spec.unison - 1) / 2) * rng.uniform(0.7, 1.3) / 1200)
        parts.append((frequencies * bend, decays * (1 + 1.5 * number), levels / (1 + 1.5 * number)))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return sum_partials(columns[0], columns[1], columns[2], frames, rng.uniform(-0.3, 0.3, len(columns[0])))


def _finish(spec: StiffSpec, tone: Tone, sound: np.ndarray, knock: float, rng: Generator) -> np.ndarray:
    size = min(len(sound), 4000)
    thump = low_pass(noise(rng, size), 600 + 0.5 * tone.frequency, 2) * np.exp(-np.arange(size) / 700)
    sound[:size] += knock * thump * tone.velocity * 4
    rise = min(len(sound), 48)
    sound[:rise] *= np.linspace(0, 1, rise)
    return sound * release_curve(tone, len(sound), 4 * spec.release)


GUITAR = ((105, 60, 1.0), (205, 90, 1.2), (400, 200, 0.6), (2500, 2500, 0.4))
TOP = ((420, 250, 1.0), (800, 400, 1.4), (2500, 2500, 0.8))
ELECTRIC = StiffSpec((1.5, 3), (0.4, 0.9), (0.1, 0.25), (1500, 4500), (0.4, 1.2), (1e-5, 1e-4), 1, knock=(0, 0.03))
BASS = StiffSpec((1.2, 2.5), (0.5, 1), (0.12, 0.3), (500, 1500), (1.5, 5), (5e-5, 3e-4), 1, knock=(0, 0.05))
SPECS: dict[str, tuple[StiffSpec, Effect | None]] = {
    "piano": (StiffSpec((1.2, 2.5), unison=3), None),
    "bright piano": (StiffSpec((1.2, 2.5), (0.3, 0.7), tip=(4000, 9000), unison=3), None),
    "honky-tonk piano": (StiffSpec((0.8, 1.8), (0.4, 0.9), tip=(2500, 6000), detune=(9, 16), unison=2), None),
    "electric grand piano": (StiffSpec((1.5, 3), (0.5, 1), tip=(2500, 6000), unison=2), pickup(0.4, 1.5)),
    "harpsichord": (StiffSpec((0.8, 1.6), (0.1, 0.5), (0.08, 0.2), (8000, 16000), (0.3, 1), (1e-5, 1e-4), 2, (1, 4)),
        None),
    "clavinet": (StiffSpec((0.7, 1.5), (0.2, 0.6), (0.05, 0.15), (4000, 9000), (0.8, 2), (5e-5, 3e-4), 1,
        release=0.02), pickup(0.6, 2)),
    "dulcimer": (StiffSpec((0.8, 1.8), (0.3, 0.8), (0.1, 0.2), (4000, 9000), (0.5, 1.5), unison=2, detune=(3, 8),
        release=0.4), None),
    "classical guitar": (StiffSpec((0.5, 1.1), (0.8, 1.3), (0.2, 0.4), (1000, 2500), (2, 5), (1e-5, 1e-4), 1,
        body=GUITAR), None),
    "acoustic guitar": (StiffSpec((0.9, 1.8), (0.4, 0.9), (0.1, 0.22), (3000, 8000), (0.8, 2.5), (5e-5, 3e-4), 1,
        body=GUITAR), None),
    "jazz guitar": (StiffSpec((1, 2), (0.8, 1.3), (0.2, 0.35), (900, 2200), (1, 3), (1e-5, 1e-4), 1), clean(1200,
        2500)),
    "clean electric guitar": (ELECTRIC, clean(3000, 6000)),
    "overdriven guitar": (ELECTRIC, driven(3, 10)),
    "distortion guitar": (ELECTRIC, driven(20, 80)),
    "double bass": (StiffSpec((0.4, 0.9), (0.8, 1.4), (0.2, 0.4), (400, 900), (3, 8), (1e-5, 1e-4), 1, knock=(0.1,
        0.3)), None),
    "electric bass": (BASS, clean(900, 2500)),
    "fretless bass": (BASS, chorus(0.2, 1)),
    "harp": (StiffSpec((0.8, 1.6), (0.9, 1.5), (0.3, 0.5), (1500, 4000), (0.8, 2), (1e-5, 1e-4), 1, release=0.4),
        None),
    "banjo": (StiffSpec((0.18, 0.4), (0.1, 0.5), (0.06, 0.14), (6000, 12000), (1, 3), (2e-5, 2e-4), 1, body=TOP),
        None),
    "koto": (StiffSpec((0.5, 1.1), (0.3, 0.7), (0.05, 0.12), (4000, 9000), (1, 3), (2e-5, 2e-4), 1, body=TOP,
        release=0.2), None),
    "shamisen": (StiffSpec((0.15, 0.35), (0.2, 0.6), (0.05, 0.12), (4000, 9000), (1.5, 4), (2e-5, 2e-4), 1,
        knock=(0.3, 0.7), body=TOP), None),
    "pizzicato strings": (StiffSpec((0.12, 0.3), (0.8, 1.3), (0.2, 0.4), (1000, 2500), (3, 7), (1e-5, 1e-4), 3, (4,
        9), body=TOP), None),
}  # fmt: skip
MODELS = {name: excite(spec, effect) for name, (spec, effect) in SPECS.items()}
