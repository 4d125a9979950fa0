"""Sustained instruments as harmonics of one phase: winds, brass, bowed strings, voices.

Each tone crossfades from a soft spectrum to a bright one as it swells, because partials rise with the level (Risset
1966, Beauchamp 1975). Resonances are fixed in Hz: those of bodies and of vowels (Peterson & Barney 1952).
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from workers.synthetic_music.sources.base import RATE
from workers.synthetic_music.sources.synthesis.tones import (
    Effect,
    Model,
    Pair,
    Peaks,
    Tone,
    Tones,
    cycle,
    draw,
    envelope,
    fade_cycles,
    formants,
    harmonic_count,
    high_pass,
    noise,
    phase_of,
    resonate,
    vibrato,
)


@dataclass(frozen=True, slots=True)
class BlownSpec:
    """A sustained instrument: ranges from which each clip draws.

    Partials weaken by `slope` dB an octave when loud, and by `soft` more when soft. `even` is the level of even ones.
    `breath` is the noise's level, `attack` in seconds, `wobble` the depth of vibrato in cents, `players` how many
    play in unison, `spread` their distance in cents, `scoop` the cents below from which a tone rises.
    """

    slope: Pair
    even: Pair = (1.0, 1.0)
    peaks: Peaks = ()
    floor: float = 0.3
    soft: Pair = (3, 9)
    breath: Pair = (0.0, 0.02)
    attack: Pair = (0.03, 0.09)
    release: Pair = (0.06, 0.15)
    wobble: Pair = (0, 20)
    players: int = 1
    spread: Pair = (6, 14)
    scoop: Pair = (0, 30)
    limit: int = 60
    shake: float = 0.0  # strokes a second of a tremolo


@dataclass(frozen=True, slots=True)
class _Clip:
    slope: float
    soft: float
    even: float
    breath: float
    attack: float
    release: float
    wobble: float
    spread: float
    scoop: float
    speed: float
    peaks: Peaks


def blow(spec: BlownSpec, effect: Effect | None = None) -> Model:
    """Return the model of a sustained instrument."""
    return Model(lambda tones, rng: _play(spec, tones, rng), effect)


def _play(spec: BlownSpec, tones: Tones, rng: Generator) -> list[np.ndarray]:
    size = rng.uniform(0.9, 1.1)
    peaks = tuple(
        (centre * size * rng.uniform(0.95, 1.05), width, level * draw(rng, 0.6, 1.6))
        for centre, width, level in spec.peaks
    )
    flat = (rng.uniform(*pair) for pair in (spec.slope, spec.soft, spec.even, spec.breath))
    clip = _Clip(*flat, draw(rng, *spec.attack), draw(rng, *spec.release), rng.uniform(*spec.wobble),
                 rng.uniform(*spec.spread), rng.uniform(*spec.scoop), rng.uniform(4.5, 6.5), peaks)  # fmt: skip
    return [_sound(spec, clip, tone, rng) for tone in tones]


def _sound(spec: BlownSpec, clip: _Clip, tone: Tone, rng: Generator) -> np.ndarray:
    attack = min(clip.attack * rng.uniform(0.7, 1.4), 0.4 * tone.seconds + 0.01)
    level = envelope(tone, attack, clip.release, rng.uniform(0.75, 1), 0.15)
    frames = len(level)
    swell = np.clip(level * (0.45 + 0.6 * tone.velocity), 0, 1)
    sound = np.zeros(frames)
    for _ in range(spec.players):
        loud, soft = _spectra(spec, clip, tone.frequency, rng)
        bend = vibrato(frames, rng, clip.wobble, clip.speed)
        bend *= 2 ** (-clip.scoop * np.exp(-np.arange(frames) / (0.03 * RATE)) / 1200)
        shift = clip.spread * rng.normal() * 0.6 if spec.players > 1 else rng.normal() * 1.5
        phase = phase_of(tone.frequency * 2 ** (shift / 1200), bend, frames, rng.uniform())
        sound += fade_cycles(loud, soft, swell, phase)
    sound *= level / np.sqrt(spec.players)
    if spec.shake:
        sound *= 0.55 + 0.45 * np.sin(2 * np.pi * spec.shake * np.arange(frames) / RATE + rng.uniform(0, 6.3))
    if clip.breath:
        hiss = high_pass(noise(rng, frames), 0.5 * tone.frequency)
        hiss = resonate(hiss, 2 * tone.frequency, tone.frequency) + 0.3 * hiss
        burst = 1 + 2.5 * np.exp(-np.arange(frames) / (0.04 * RATE))
        sound += clip.breath * hiss * level * burst
    return sound * tone.velocity


def _spectra(spec: BlownSpec, clip: _Clip, frequency: float, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return one period of a loud and of a soft tone, both of RMS 0.7."""
    order = np.arange(1, harmonic_count(frequency, spec.limit) + 1)
    octaves = np.log2(order)
    levels = 10 ** (-clip.slope * octaves / 20) * np.where(order % 2, 1, clip.even)
    levels = levels * np.exp(rng.normal(0, 0.12, len(order)))
    if clip.peaks:
        levels = levels * formants(order * frequency, clip.peaks, spec.floor)
    turns = rng.uniform(0, 6.3, len(order))
    softened = levels * 10 ** (-clip.soft * octaves / 20)
    return tuple(cycle(part / np.sqrt(np.sum(part**2)), turns) for part in (levels, softened))  # type: ignore[return-value]


FIDDLE = ((290, 80, 1.2), (480, 120, 1.0), (1100, 500, 0.8), (2600, 1200, 1.2))
AAH = ((700, 130, 2.0), (1150, 160, 1.2), (2700, 300, 0.8), (3300, 400, 0.5))
OOH = ((330, 90, 2.0), (750, 120, 0.7), (2500, 300, 0.08))
SAX = ((700, 500, 1.0), (1500, 700, 0.8), (3000, 1500, 0.5))
HORN = ((380, 250, 1.5), (750, 400, 0.6))
SPECS = {
    "violin": BlownSpec((4, 7), (0.8, 1.1), FIDDLE, 0.35, (2, 5), (0.01, 0.04), (0.04, 0.12), wobble=(10, 30)),
    "fiddle": BlownSpec((3, 6), (0.8, 1.1), FIDDLE, 0.35, (2, 4), (0.02, 0.06), (0.02, 0.05), wobble=(0, 12),
        scoop=(0, 40)),
    "viola": BlownSpec((5, 8), (0.8, 1.1), tuple((c * 0.8, w, g) for c, w, g in FIDDLE), 0.35, (2, 5), (0.01, 0.04),
        (0.05, 0.12), wobble=(10, 28)),
    "cello": BlownSpec((5, 8), (0.8, 1.1), ((110, 50, 1.0), (200, 80, 1.2), (420, 200, 1), (1600, 900, 1)), 0.35, (2,
        5), (0.01, 0.05), (0.05, 0.14), wobble=(8, 25)),
    "bowed double bass": BlownSpec((6, 9), (0.8, 1.1), ((70, 30, 1), (110, 50, 1.2), (260, 150, 1), (900, 600, 0.8)),
        0.35, (2, 5), (0.02, 0.06), (0.06, 0.16), wobble=(4, 14)),
    "string ensemble": BlownSpec((5, 8), (0.8, 1.1), FIDDLE, 0.35, (2, 5), (0.01, 0.04), (0.06, 0.2), (0.15, 0.4),
        (8, 20), 5),
    "slow strings": BlownSpec((6, 9), (0.8, 1.1), FIDDLE, 0.35, (2, 5), (0.01, 0.03), (0.25, 0.6), (0.3, 0.6), (8,
        20), 5),
    "tremolo strings": BlownSpec((5, 8), (0.8, 1.1), FIDDLE, 0.35, (2, 5), (0.02, 0.06), (0.03, 0.1), (0.1, 0.3), (4,
        12), 4, shake=11.0),
    "choir": BlownSpec((5, 9), (0.9, 1.1), AAH, 0.06, (2, 5), (0.01, 0.04), (0.08, 0.25), (0.15, 0.4), (12, 30), 4,
        (8, 18)),
    "voice oohs": BlownSpec((6, 10), (0.9, 1.1), OOH, 0.04, (2, 5), (0.01, 0.04), (0.08, 0.25), (0.15, 0.4), (12,
        30), 4, (8, 18)),
    "trumpet": BlownSpec((1, 4), (0.9, 1.1), ((1200, 900, 1.2), (2300, 1500, 0.8)), 0.4, (6, 12), (0, 0.02), (0.02,
        0.05), wobble=(0, 16)),
    "muted trumpet": BlownSpec((-2, 1), (0.9, 1.1), ((1800, 500, 2.0), (3500, 1200, 1.2)), 0.12, (3, 6), (0.01,
        0.03), (0.02, 0.05), wobble=(0, 18)),
    "trombone": BlownSpec((3, 6), (0.9, 1.1), ((600, 500, 1.2), (1300, 900, 0.6)), 0.4, (6, 12), (0, 0.02), (0.03,
        0.07), wobble=(0, 12), scoop=(10, 60)),
    "tuba": BlownSpec((6, 10), (0.9, 1.1), ((240, 200, 1.2),), 0.4, (4, 9), (0, 0.02), (0.04, 0.08), wobble=(0, 5)),
    "french horn": BlownSpec((7, 11), (0.9, 1.1), HORN, 0.3, (5, 10), (0, 0.02), (0.04, 0.09), wobble=(0, 8)),
    "brass section": BlownSpec((2, 5), (0.9, 1.1), ((1000, 900, 1.0),), 0.5, (5, 10), (0, 0.02), (0.03, 0.06), (0.06,
        0.15), (0, 10), 4, (5, 12)),
    "soprano saxophone": BlownSpec((4, 7), (0.6, 1), ((1100, 600, 1), (2400, 900, 0.7)), 0.4, (3, 7), (0.01, 0.04),
        wobble=(5, 25), scoop=(10, 60)),
    "alto saxophone": BlownSpec((4, 7), (0.7, 1.1), SAX, 0.4, (3, 7), (0.02, 0.06), wobble=(5, 25), scoop=(10, 60)),
    "tenor saxophone": BlownSpec((4, 7), (0.7, 1.2), tuple((c * 0.75, w, g) for c, w, g in SAX), 0.4, (3, 7), (0.03,
        0.08), wobble=(5, 22), scoop=(10, 60)),
    "baritone saxophone": BlownSpec((3, 6), (0.7, 1.2), tuple((c * 0.55, w, g) for c, w, g in SAX), 0.4, (3, 7),
        (0.03, 0.08), wobble=(0, 18)),
    "oboe": BlownSpec((2, 4), (0.7, 1.1), ((1100, 350, 2.0), (2900, 700, 1.0)), 0.25, (1, 4), (0, 0.02), (0.02,
        0.05), wobble=(5, 20)),
    "english horn": BlownSpec((3, 5), (0.7, 1.1), ((930, 350, 2.0), (2300, 700, 0.8)), 0.25, (1, 4), (0, 0.02),
        (0.03, 0.06), wobble=(5, 20)),
    "bassoon": BlownSpec((4, 7), (0.8, 1.1), ((470, 200, 2.5), (1150, 400, 0.8)), 0.2, (1, 4), (0, 0.02), (0.02,
        0.06), wobble=(0, 15)),
    "clarinet": BlownSpec((4, 7), (0.03, 0.15), ((1500, 900, 0.8),), 0.6, (4, 9), (0.005, 0.03), (0.03, 0.06),
        wobble=(0, 6)),
    "shawm": BlownSpec((-1, 2), (0.8, 1.1), ((1300, 600, 1.6), (3200, 1500, 1.2)), 0.3, (1, 3), (0.01, 0.03), (0.01,
        0.03), wobble=(5, 25)),
    "flute": BlownSpec((12, 17), (0.5, 1.1), (), 1, (3, 8), (0.03, 0.1), (0.04, 0.09), wobble=(5, 18)),
    "piccolo": BlownSpec((12, 16), (0.6, 1), (), 1, (3, 6), (0.03, 0.08), (0.02, 0.05), wobble=(4, 15)),
    "recorder": BlownSpec((12, 16), (0.2, 0.5), (), 1, (2, 5), (0.02, 0.07), (0.02, 0.04), wobble=(0, 5)),
    "pan flute": BlownSpec((14, 18), (0.1, 0.4), (), 1, (2, 5), (0.1, 0.3), (0.03, 0.07), wobble=(4, 18)),
    "bottle blow": BlownSpec((20, 26), (0.1, 0.4), (), 1, (2, 5), (0.15, 0.4), (0.04, 0.1), wobble=(0, 8)),
    "shakuhachi": BlownSpec((9, 14), (0.5, 1), (), 1, (3, 7), (0.1, 0.3), (0.05, 0.12), wobble=(10, 40), scoop=(30,
        120)),
    "whistle": BlownSpec((26, 32), (0.3, 1), (), 1, (2, 4), (0.02, 0.08), (0.03, 0.08), wobble=(10, 35), scoop=(10,
        60)),
    "ocarina": BlownSpec((22, 28), (0.2, 0.5), (), 1, (2, 4), (0.02, 0.06), (0.02, 0.05), wobble=(0, 14)),
}  # fmt: skip
MODELS = {name: blow(spec) for name, spec in SPECS.items()}
