"""Organs and free reeds as fixed spectra.

Drawbars add sines at footages (Hammond, patent 1934), with key clicks and percussion. A pipe rank adds its octaves.
Free reeds of accordions beat in pairs; bagpipes sound over drones.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from workers.synthetic_music.sources.base import RATE
from workers.synthetic_music.sources.synthesis.amplifiers import combine, driven, pickup, rotor
from workers.synthetic_music.sources.synthesis.tones import (
    Effect,
    Model,
    Pair,
    Tone,
    Tones,
    cycle,
    draw,
    envelope,
    formants,
    harmonic_count,
    high_pass,
    noise,
    phase_of,
    pitch_frequency,
    read_cycle,
    resonate,
    vibrato,
)

DRAWBARS = np.array([0.5, 1.5, 1, 2, 3, 4, 5, 6, 8])  # of 16', 5 1/3', 8', 4', 2 2/3', 2', 1 3/5', 1 1/3', 1'
REGISTRATIONS = (
    "888000000",
    "888800000",
    "808808008",
    "888888888",
    "800000568",
    "868800000",
    "008800000",
    "888400008",
)


def drawbars(percussion: bool, effect: Effect) -> Model:
    """Return a tonewheel organ; `percussion` adds a decaying harmonic to each tone."""

    def play(tones: Tones, rng: Generator) -> list[np.ndarray]:
        registration = "888000000" if percussion else REGISTRATIONS[int(rng.integers(len(REGISTRATIONS)))]
        levels = np.array([int(bar) for bar in registration]) + rng.uniform(0, 1, 9)
        levels = np.where(levels < 1, 0.1 * levels, 10 ** ((levels - 8) * 3 / 20))
        leak, click = rng.uniform(0, 0.02), rng.uniform(0.02, 0.3)
        ratio, fade = float(rng.choice([2, 3])), draw(rng, 0.08, 0.4)
        sounds = []
        for tone in tones:
            level = envelope(tone, 0.003, 0.02)
            time = np.arange(len(level)) / RATE
            wheels = DRAWBARS * tone.frequency
            wheels = np.where(wheels > 6000, wheels / 2, wheels)
            turns = rng.uniform(0, 6.3, 9)
            table = np.zeros(24)
            np.add.at(table, np.round(2 * wheels / tone.frequency).astype(int) - 1, levels + leak)
            sound = read_cycle(cycle(table, np.resize(turns, 24)), phase_of(tone.frequency / 2, 1.0, len(level)))
            if percussion:
                sound = sound + 1.5 * np.sin(2 * np.pi * ratio * tone.frequency * time) * np.exp(-time / fade)
            burst = high_pass(noise(rng, len(level)), 2000) * np.exp(-time / 0.002)
            sounds.append((sound + click * burst) * level)
        return sounds

    return Model(play, effect)


@dataclass(frozen=True, slots=True)
class ReedSpec:
    """Free reeds or pipes: ranges from which each clip draws.

    `ranks` are footages relative to 8'; `beat` the distance of unison reeds in cents; `slope` dB an octave.
    """

    slope: Pair
    ranks: tuple[float, ...] = (1.0, 1.0)
    beat: Pair = (4, 16)
    even: Pair = (0.7, 1.1)
    peaks: tuple[tuple[float, float, float], ...] = ()
    attack: Pair = (0.02, 0.06)
    release: Pair = (0.03, 0.08)
    breath: Pair = (0, 0.02)
    wobble: Pair = (0, 3)
    chiff: float = 0.0
    optional: float = 0.0  # the chance that a clip leaves a further rank out


def reeds(spec: ReedSpec) -> Model:
    """Return the model of an instrument with ranks of reeds or pipes."""

    def play(tones: Tones, rng: Generator) -> list[np.ndarray]:
        slope, even, breath, wobble = (
            rng.uniform(*pair) for pair in (spec.slope, spec.even, spec.breath, spec.wobble)
        )
        attack, release = draw(rng, *spec.attack), draw(rng, *spec.release)
        ranks = [spec.ranks[0], *(rank for rank in spec.ranks[1:] if rng.random() >= spec.optional)]
        beats = np.array([0.0, *rng.uniform(*spec.beat, len(ranks) - 1)]) * rng.choice([-1, 1], len(ranks))
        beats -= beats[np.array(ranks) == ranks[0]].mean()
        levels = np.exp(rng.normal(0, 0.3, len(ranks)))
        levels[0] = max(1.0, levels[0])
        sounds = []
        for tone in tones:
            level = envelope(tone, min(attack, 0.3 * tone.seconds), release)
            bend = vibrato(len(level), rng, wobble, 5.0)
            sound = np.zeros(len(level))
            for rank, cents, weight in zip(ranks, beats, levels, strict=True):
                frequency = rank * tone.frequency * 2 ** (cents / 1200)
                table = _reed_cycle(frequency, slope + (2 if rank > 1 else 0), even, spec.peaks, rng)
                sound += weight * read_cycle(table, phase_of(frequency, bend, len(level), rng.uniform()))
            hiss = resonate(noise(rng, len(level)), 3 * tone.frequency, 2 * tone.frequency)
            start = spec.chiff * np.exp(-np.arange(len(level)) / (0.03 * RATE))
            sounds.append((sound + (breath + start) * hiss) * level * (0.5 + tone.velocity))
        return sounds

    return Model(play)


def _reed_cycle(
    frequency: float, slope: float, even: float, peaks: tuple[tuple[float, float, float], ...], rng: Generator
) -> np.ndarray:
    order = np.arange(1, harmonic_count(frequency, 60) + 1)
    levels = (
        10 ** (-slope * np.log2(order) / 20) * np.where(order % 2, 1, even) * np.exp(rng.normal(0, 0.1, len(order)))
    )
    if peaks:
        levels = levels * formants(order * frequency, peaks, 0.4)
    return cycle(levels / np.sqrt(np.sum(levels**2)), rng.uniform(0, 6.3, len(order)))


CHANTER = ReedSpec(
    (-1, 2), (1.0,), (0, 0), (0.8, 1.2), ((1100, 500, 1.5), (2800, 1200, 1)), (0.005, 0.01), (0.01, 0.02)
)
DRONE = ReedSpec((4, 7), (1.0, 1.0), (1, 4), (0.5, 1), attack=(0.05, 0.1), release=(0.1, 0.2))


def _bagpipes(tones: Tones, rng: Generator) -> list[np.ndarray]:
    """Play the chanter over drones, which sound with each tone."""
    sounds = reeds(CHANTER).play(tones, rng)
    lowest = min(tone.pitch for tone in tones)
    cents = 1200 * np.log2(tones[0].frequency / pitch_frequency(tones[0].pitch))
    drone = Tone(lowest, pitch_frequency(lowest - 12, cents), sum(tone.seconds for tone in tones), 0.6)
    hum = rng.uniform(0.1, 0.35) * reeds(DRONE).play([drone], rng)[0]
    for index in range(len(tones)):
        piece = hum[: len(sounds[index])]
        sounds[index][: len(piece)] += piece * (1 - 0.3 * (index % 2))
    return sounds


REEDS = {
    "church organ": ReedSpec((7, 12), (1.0, 2.0, 4.0, 0.5, 3.0), (0.5, 3), (0.4, 1), attack=(0.03, 0.1),
        release=(0.1, 0.3), breath=(0.005, 0.03), chiff=0.1, optional=0.35),
    "reed organ": ReedSpec((4, 7), (1.0, 2.0, 1.0), (1, 4), (0.7, 1), ((900, 700, 1),), (0.04, 0.12), (0.05, 0.1),
        (0.005, 0.02), optional=0.3),
    "accordion": ReedSpec((2, 5), (1.0, 1.0, 0.5, 2.0), (6, 14), (0.7, 1), ((1300, 900, 1), (2800, 1500, 0.6)),
        (0.02, 0.06), optional=0.3),
    "bandoneon": ReedSpec((3, 6), (1.0, 2.0), (0, 3), (0.5, 0.9), ((800, 500, 1.2), (2000, 900, 0.6)), (0.02, 0.05)),
    "harmonica": ReedSpec((2, 5), (1.0,), (0, 0), (0.7, 1.1), ((1000, 600, 1.2), (2500, 1200, 1)), (0.02, 0.06),
        (0.03, 0.08), (0.01, 0.04), (5, 25)),
}  # fmt: skip
MODELS = {name: reeds(spec) for name, spec in REEDS.items()} | {
    "hammond organ": drawbars(False, combine(pickup(0.3, 1.0), rotor(0.7, 7))),
    "percussive organ": drawbars(True, rotor(0.5, 6.5)),
    "rock organ": drawbars(False, combine(driven(2, 8), rotor(0.7, 7))),
    "bagpipes": Model(_bagpipes),
}
