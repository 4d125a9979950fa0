"""Drums, cymbals and hand percussion by General MIDI key.

Drumheads are modes of a circular membrane (Fletcher & Rossing 1998, chapter 18) with a falling pitch; wires, beads and
cymbals are filtered noise and inharmonic partials. Shakers are showers of grains (Cook 1997, PhISEM).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from workers.synthetic_music.sources.base import RATE
from workers.synthetic_music.sources.synthesis.tones import (
    Model,
    Tones,
    draw,
    high_pass,
    low_pass,
    noise,
    resonate,
    sum_partials,
)

MEMBRANE = np.array([1, 1.594, 2.136, 2.296, 2.653, 2.918, 3.156, 3.501])


@dataclass(frozen=True, slots=True)
class Kit:
    """What a clip draws for its kit.

    Size, ring, brightness and noise are factors; the seed fixes the partials of its cymbals.
    """

    size: float
    ring: float
    bright: float
    snap: float
    electronic: float  # 0 a skin, 1 a sine
    brushed: bool
    seed: int


Stroke = Callable[[Kit, float, Generator], np.ndarray]


def _time(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * RATE)) / RATE


def head(frequency: float, ring: float, slap: float, drop: float = 0.5) -> Stroke:
    """Return the stroke of a drumhead.

    Its frequency is in Hz, its ring in seconds, the drop of its pitch in octaves; `slap` is the level of noise.
    """

    def hit(kit: Kit, velocity: float, rng: Generator) -> np.ndarray:
        life = ring * kit.ring
        time = _time(min(5 * life, 3))
        bend = np.cumsum(2 ** (drop * (0.5 + kit.electronic) * np.exp(-time / 0.03))) / RATE
        sound = np.sin(2 * np.pi * frequency * kit.size * bend) * np.exp(-time / life)
        ratios = MEMBRANE[1:] * np.random.default_rng(kit.seed).uniform(0.97, 1.03, 7)
        levels = (1 - kit.electronic) * 0.5 * kit.bright / np.arange(2, 9) * rng.uniform(0.7, 1.3, 7)
        sound += sum_partials(ratios * frequency * kit.size, life / ratios**1.2, levels, len(time))
        click = low_pass(noise(rng, len(time)), 3000 * kit.bright, 2) * np.exp(-time / 0.006)
        return (sound + slap * kit.snap * 2 * click) * velocity

    return hit


def snare(rim: float) -> Stroke:
    """Return the stroke of a snare drum; `rim` is the level of the head."""

    def hit(kit: Kit, velocity: float, rng: Generator) -> np.ndarray:
        time = _time(0.5)
        skin = head(185, 0.07, 0.3, 0.3)(kit, 1, rng)
        wires = high_pass(noise(rng, len(time)), 1200 * kit.bright, 1)
        rustle = np.minimum(1, time / (0.04 if kit.brushed else 0.0005)) * np.exp(-time / (0.11 * kit.ring))
        sound = (0.8 if not kit.brushed else 1.4) * kit.snap * resonate(wires, 4500 * kit.bright, 6000) * rustle
        size = min(len(skin), len(time))
        sound[:size] += rim * skin[:size] * (0.2 if kit.brushed else 1)
        return sound * velocity

    return hit


def cymbal(low: float, ring: float, ping: float, rise: float = 0.0) -> Stroke:
    """Return the stroke of a cymbal.

    Its lowest partials are in Hz, its ring and rise in seconds; `ping` is the level of partials.
    """

    def hit(kit: Kit, velocity: float, rng: Generator) -> np.ndarray:
        life = ring * kit.ring
        time = _time(min(4 * life, 4))
        fixed = np.random.default_rng((kit.seed, round(low)))
        partials = np.exp(fixed.uniform(np.log(low), np.log(12_000), 50)) * kit.size
        tone = sum_partials(
            partials, life / (partials / 3000) ** 0.5, fixed.uniform(0.3, 1, 50), len(time), fixed.uniform(0, 6, 50)
        )
        hiss = high_pass(noise(rng, len(time)), low * 4 * kit.bright, 2) * np.exp(-time / (0.7 * life))
        swell = np.minimum(1, time / rise) if rise else 1.0
        return (0.1 * ping * tone + 0.5 * hiss) * swell * velocity

    return hit


def bell(ratios: tuple[float, ...], frequency: float, ring: float) -> Stroke:
    """Return the stroke of a bell, block or bar.

    It has the ratios of its modes; its frequency is in Hz, its ring in seconds.
    """

    def hit(kit: Kit, velocity: float, rng: Generator) -> np.ndarray:
        modes = np.array(ratios)
        if kit.electronic > 0.5:  # two square waves, as in a drum machine
            modes = np.concatenate([modes[:2] * order for order in (1, 3, 5, 7)])
        frames = round(min(5 * ring * kit.ring, 3) * RATE)
        levels = rng.uniform(0.8, 1.2, len(modes)) / (1 + np.arange(len(modes))) ** (0.6 / kit.bright)
        sound = sum_partials(modes * frequency * kit.size, ring * kit.ring / modes**0.6, levels, frames)
        size = min(frames, 1200)
        sound[:size] += 0.3 * kit.snap * noise(rng, size) * np.exp(-np.arange(size) / 100)
        return sound * velocity

    return hit


def grains(centre: float, width: float, seconds: float, rate: float, rise: float = 0.3) -> Stroke:
    """Return a shower of grains through a resonance.

    Centre and width are in Hz, `rate` in grains a second, `rise` a fraction of the length in seconds.
    """

    def hit(kit: Kit, velocity: float, rng: Generator) -> np.ndarray:
        time = _time(seconds * kit.ring)
        energy = np.minimum(1, time / (rise * seconds)) * np.exp(-3 * time / (seconds * kit.ring))
        impulses = (rng.random(len(time)) < rate / RATE) * rng.standard_normal(len(time)) * energy
        smooth = np.convolve(impulses, np.exp(-np.arange(200) / 40))[: len(time)]
        rattle = smooth * noise(rng, len(time)) + 0.1 * energy * noise(rng, len(time))
        return resonate(rattle, centre * kit.size, width * kit.bright) * velocity * 3

    return hit


def clap(kit: Kit, velocity: float, rng: Generator) -> np.ndarray:
    """Clap: three bursts of noise, then a room."""
    time = _time(0.35)
    starts = np.cumsum(rng.uniform(0.007, 0.014, 4)) - 0.007
    bursts = sum(np.where(time >= start, np.exp(-np.maximum(0, time - start) / 0.004), 0) for start in starts)
    tail = np.where(time > starts[-1], 0.4 * np.exp(-(time - starts[-1]) / (0.07 * kit.ring)), 0)
    return resonate(noise(rng, len(time)), 1150 * kit.size, 1400 * kit.bright) * (bursts + tail) * velocity * 2


def scrape(seconds: float, teeth: int) -> Stroke:
    """Return a scrape over teeth that lasts `seconds`."""

    def hit(kit: Kit, velocity: float, rng: Generator) -> np.ndarray:
        time = _time(seconds + 0.1)
        sound = np.zeros(len(time))
        for index in np.linspace(0, seconds, teeth) ** 1.15 / seconds**0.15:
            sound[round(index * RATE * rng.uniform(0.98, 1.02))] = rng.uniform(0.5, 1)
        rasp = resonate(sound, 2400 * kit.size, 500) + resonate(sound, 4600 * kit.size, 900)
        return rasp * velocity * 20

    return hit


def slide(low: float, high: float, seconds: float) -> Stroke:
    """Return a rubbed drum whose pitch slides between two frequencies."""

    def hit(kit: Kit, velocity: float, rng: Generator) -> np.ndarray:
        time = _time(seconds)
        cycles = np.cumsum(kit.size * (low + (high - low) * np.sin(np.pi * time / seconds))) / RATE
        saw = 2 * ((cycles + 0.02 * rng.standard_normal(len(time))) % 1) - 1
        return resonate(saw, 1.5 * (low + high) / 2, low) * np.sin(np.pi * time / seconds) ** 0.5 * velocity * 2

    return hit


def blown(seconds: float) -> Stroke:
    """Return a pea whistle."""

    def hit(kit: Kit, velocity: float, rng: Generator) -> np.ndarray:
        time = _time(seconds)
        pea = 1 + 0.04 * np.sign(np.sin(2 * np.pi * rng.uniform(28, 40) * time))
        tone = np.sin(2 * np.pi * np.cumsum(2350 * kit.size * pea) / RATE)
        edge = np.minimum(1, np.minimum(time, seconds - time) / 0.015)
        return (tone * (0.7 + 6 * (pea - 1)) + 0.15 * resonate(noise(rng, len(time)), 2400, 900)) * edge * velocity

    return hit


def strokes_together(*strokes: Stroke) -> Stroke:
    """Return several strokes at once."""

    def hit(kit: Kit, velocity: float, rng: Generator) -> np.ndarray:
        sounds = [stroke(kit, velocity, rng) for stroke in strokes]
        total = np.zeros(max(map(len, sounds)))
        for sound in sounds:
            total[: len(sound)] += sound
        return total

    return hit


TRIANGLE = (1, 1.68, 2.46, 3.33, 4.4, 5.6, 6.9)
COW = (1, 1.48, 2.2, 3.1, 4.3)
BLOCK = (1, 2.45, 3.6)
KEYS: dict[int, Stroke] = {
    35: head(50, 0.16, 0.4), 36: head(58, 0.14, 0.6), 37: bell((1, 1.7, 2.9), 480, 0.03), 38: snare(0.7), 39: clap,
    40: snare(1.0), 41: head(80, 0.25, 0.3), 42: cymbal(900, 0.035, 0.5), 43: head(95, 0.25, 0.3),
    44: cymbal(800, 0.05, 0.3), 45: head(115, 0.22, 0.3), 46: cymbal(900, 0.28, 0.6), 47: head(140, 0.2, 0.3),
    48: head(170, 0.2, 0.3), 49: cymbal(400, 0.9, 0.6, 0.004), 50: head(205, 0.18, 0.3), 51: cymbal(500, 0.8, 1.5),
    53: strokes_together(bell(COW, 700, 0.4), cymbal(600, 0.6, 0.8)), 57: cymbal(330, 1.1, 0.6, 0.005),
    54: strokes_together(grains(7000, 5000, 0.25, 600), bell(TRIANGLE, 2600, 0.1)), 56: bell(COW, 560, 0.09),
    58: grains(2500, 700, 1.2, 45, 0.02), 60: head(420, 0.06, 0.4, 0.1), 61: head(300, 0.08, 0.4, 0.1),
    62: head(260, 0.04, 0.8, 0.1), 63: head(250, 0.14, 0.4, 0.1), 64: head(180, 0.17, 0.4, 0.1),
    65: strokes_together(head(300, 0.15, 0.6, 0.1), bell(COW, 900, 0.05)), 67: bell(COW, 900, 0.14),
    66: strokes_together(head(220, 0.18, 0.6, 0.1), bell(COW, 720, 0.05)), 68: bell(COW, 670, 0.16),
    69: grains(6500, 4000, 0.14, 2500, 0.15), 70: grains(7500, 4500, 0.1, 900), 71: blown(0.15), 72: blown(0.5),
    73: scrape(0.12, 12), 74: scrape(0.4, 36), 75: bell((1, 2.9), 2450, 0.03), 76: bell(BLOCK, 1000, 0.035),
    77: bell(BLOCK, 740, 0.04), 78: slide(300, 480, 0.18), 79: slide(180, 360, 0.35), 80: bell(TRIANGLE, 1700, 0.05),
    81: bell(TRIANGLE, 1700, 1.2), 82: grains(5500, 3500, 0.12, 1500), 85: bell((1, 1.8, 2.6), 1500, 0.02),
    83: strokes_together(grains(9000, 5000, 0.3, 300), bell((1, 1.3, 1.9, 2.3), 3600, 0.15)),
    86: head(75, 0.08, 0.5, 0.1), 87: head(68, 0.35, 0.3, 0.15),
}  # fmt: skip
# Ranges of a kit: size, ring, brightness, snap; whether electronic; whether brushed.
Range = tuple[float, float]
KITS: dict[str, tuple[Range, Range, Range, Range, float, bool]] = {
    "drum kit": ((0.85, 1.2), (0.7, 1.3), (0.8, 1.3), (0.7, 1.3), 0.0, False),
    "room drum kit": ((0.8, 1.1), (1.1, 1.8), (0.7, 1.1), (0.7, 1.3), 0.0, False),
    "rock drum kit": ((0.75, 1.0), (1.0, 1.6), (1.0, 1.6), (1.0, 1.8), 0.1, False),
    "electronic drums": ((0.9, 1.3), (0.8, 1.6), (0.9, 1.5), (0.6, 1.4), 0.8, False),
    "drum machine": ((0.8, 1.2), (0.9, 2.2), (0.8, 1.4), (0.4, 1.0), 1.0, False),
    "jazz drum kit": ((1.0, 1.4), (0.9, 1.4), (0.6, 1.0), (0.4, 0.8), 0.0, False),
    "brush drums": ((1.0, 1.4), (0.9, 1.4), (0.5, 0.9), (0.5, 0.9), 0.0, True),
    "orchestral drums": ((0.7, 1.0), (1.3, 2.2), (0.5, 0.9), (0.4, 0.9), 0.0, False),
}
HAND: tuple[Range, Range, Range, Range, float, bool] = ((0.85, 1.2), (0.7, 1.4), (0.7, 1.4), (0.5, 1.5), 0.0, False)
HAND_VOICES = (
    "tambourine|cowbell|vibraslap|bongos|congas|timbales|agogo|cabasa|maracas|samba whistle|guiro|claves|wood blocks|"
    "cuica|triangle|shaker|sleigh bells|castanets|hand claps|cymbals|snare drum|surdo"
).split("|")


def _kit(name: str) -> Model:
    ranges = KITS.get(name, HAND)

    def play(tones: Tones, rng: Generator) -> list[np.ndarray]:
        size, ring, bright, snap = (draw(rng, *pair) for pair in ranges[:4])
        kit = Kit(size, ring, bright, snap, ranges[4], ranges[5], int(rng.integers(1 << 30)))
        return [KEYS[tone.pitch](kit, tone.velocity * rng.uniform(0.85, 1.1), rng) for tone in tones]

    return Model(play)


MODELS = {name: _kit(name) for name in (*KITS, *HAND_VOICES)}
