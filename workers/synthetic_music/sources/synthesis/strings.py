"""Plucked strings by digital waveguide.

The loop of delay and loss filter is Karplus and Strong's (1983, Computer Music Journal 7:2). Pluck position,
fractional tuning, and decay that depends on the pitch follow Jaffe and Smith (1983, the same issue). A curved
bridge, as on the sitar, bends the wave.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.signal import lfilter

from workers.synthetic_music.sources.base import RATE
from workers.synthetic_music.sources.synthesis.amplifiers import clean, driven, pickup
from workers.synthetic_music.sources.synthesis.tones import (
    Effect,
    Model,
    Pair,
    Tone,
    Tones,
    draw,
    high_pass,
    low_pass,
    noise,
    release_curve,
    resonate,
)

SHORT_LOOP = 90  # samples: below, one recursive filter is faster than a loop over periods


@dataclass(frozen=True, slots=True)
class StringSpec:
    """A plucked string: ranges from which each clip draws.

    `sustain` is seconds until -60 dB at 220 Hz; `loss` the lowpass of the loop, 0 bright to 0.25 dull; `pluck` the
    position as a fraction of the string; `tip` the lowpass of the plectrum or finger in Hz; `body` resonances in Hz;
    `knock` the level of the attack's noise; `courses` strings for each note; `buzz` the bend at the bridge.
    """

    sustain: Pair
    loss: Pair = (0.02, 0.1)
    pluck: Pair = (0.1, 0.35)
    tip: Pair = (2500, 7000)
    body: tuple[float, ...] = ()
    body_level: float = 0.5
    knock: Pair = (0.0, 0.1)
    courses: int = 1
    spread: float = 3.0  # cents between courses
    octave: bool = False  # the last course sounds an octave higher
    buzz: Pair = (0.0, 0.0)
    release: Pair = (0.05, 0.15)


@dataclass(frozen=True, slots=True)
class _Clip:
    """The parameters that a clip draws."""

    sustain: float
    loss: float
    pluck: float
    tip: float
    knock: float
    buzz: float
    release: float
    body: tuple[tuple[float, float, float], ...]


def pluck_string(spec: StringSpec) -> Model:
    """Return the model of a string."""
    return Model(lambda tones, rng: _play(spec, tones, rng))


def _play(spec: StringSpec, tones: Tones, rng: Generator) -> list[np.ndarray]:
    size = rng.uniform(0.85, 1.15)
    body = tuple(
        (
            centre * size * rng.uniform(0.95, 1.05),
            centre * rng.uniform(0.05, 0.2),
            spec.body_level * rng.uniform(0.5, 1.5),
        )
        for centre in spec.body
    )
    drawn = [rng.uniform(*pair) for pair in (spec.loss, spec.pluck, spec.knock, spec.buzz)]
    clip = _Clip(draw(rng, *spec.sustain), drawn[0], drawn[1], draw(rng, *spec.tip), drawn[2], drawn[3],
                 draw(rng, *spec.release), body)  # fmt: skip
    return [_sound(spec, clip, tone, rng) for tone in tones]


def _sound(spec: StringSpec, clip: _Clip, tone: Tone, rng: Generator) -> np.ndarray:
    seconds = clip.sustain * (220 / tone.frequency) ** 0.5
    frames = min(tone.frames + round(4 * clip.release * RATE), round(max(seconds, 0.1) * RATE))
    sound = np.zeros(frames)
    for number in range(spec.courses):
        cents = spec.spread * (number - (spec.courses - 1) / 2) * rng.uniform(0.6, 1.4)
        double = 2 if spec.octave and number == spec.courses - 1 else 1
        frequency = tone.frequency * double * 2 ** (cents / 1200)
        excitation = _excitation(clip, frequency, tone.velocity, rng)
        sound += vibrate(excitation, frequency, frames, seconds, clip.loss) / np.sqrt(spec.courses)
    if clip.buzz:
        sound = _bend_at_bridge(sound, tone.frequency, clip.buzz, rng)
    dry = sound
    for centre, bandwidth, level in clip.body:
        sound = sound + level * resonate(dry, centre, bandwidth)
    if clip.knock:
        hit = noise(rng, min(frames, 2400)) * np.exp(-np.arange(min(frames, 2400)) / 300)
        sound[: len(hit)] += clip.knock * low_pass(hit, 1500, 2) * np.abs(sound).max()
    return sound * release_curve(tone, frames, 4 * clip.release)


def _excitation(clip: _Clip, frequency: float, velocity: float, rng: Generator) -> np.ndarray:
    """Return one period of noise, filtered by the tip and the pluck's position."""
    period = RATE / frequency
    burst = np.zeros(round(period * 1.5) + 8)
    burst[: round(period)] = noise(rng, round(period))
    burst[: round(period)] -= burst[: round(period)].mean()
    shift = max(1, round(period * np.clip(clip.pluck * rng.uniform(0.9, 1.1), 0.03, 0.5)))
    comb = burst.copy()
    comb[shift:] -= 0.9 * burst[:-shift]
    tip = clip.tip * (0.35 + velocity) + 1.5 * frequency
    return low_pass(comb, tip, 2) * velocity**1.5


def vibrate(excitation: np.ndarray, frequency: float, frames: int, seconds: float, loss: float) -> np.ndarray:
    """Return the string's vibration [frames]; it falls by 60 dB in `seconds`."""
    period = RATE / frequency
    turn = 2 * np.pi / period
    gain = 10 ** (-3 * period / (seconds * RATE)) / (1 - 2 * loss * (1 - np.cos(turn)))
    whole = int(period) - 2
    loop = np.convolve(_lagrange(period - 1 - whole), [loss, 1 - 2 * loss, loss]) * min(gain, 0.99999)
    padded = np.zeros(frames)
    padded[: len(excitation)] = excitation[:frames]
    if whole < SHORT_LOOP:
        return lfilter([1.0], np.concatenate([[1.0], np.zeros(whole - 1), -loop]), padded)
    return _vibrate_by_periods(padded, whole, loop)


def _vibrate_by_periods(excitation: np.ndarray, whole: int, loop: np.ndarray) -> np.ndarray:
    """Return the vibration, computed in blocks of the loop's delay."""
    lead, block = whole + len(loop), max(1, whole)
    wave = np.concatenate([np.zeros(lead), excitation])
    for start in range(lead, len(wave), block):
        stop = min(start + block, len(wave))
        wave[start:stop] += np.convolve(wave[start - whole - len(loop) + 1 : stop - whole], loop, "valid")
    return wave[lead:]


def _bend_at_bridge(sound: np.ndarray, frequency: float, buzz: float, rng: Generator) -> np.ndarray:
    """Return the sound of a string that wraps around a curved bridge.

    The string's level is taken out, bent, and put back, so that the buzz lasts as long as the tone. A comb whose
    delay grows as the string calms sweeps through the harmonics.
    """
    frames = np.arange(len(sound))
    level = low_pass(np.abs(sound), 12, 2) + 1e-4 * np.abs(sound).max()
    bent = np.abs(np.tanh(2 * sound / level + 0.4)) * level
    bright = high_pass(bent, 2.5 * frequency, 2)
    delay = RATE / frequency * (0.04 + rng.uniform(0.2, 0.4) * np.exp(-frames / (0.3 * RATE)))
    swept = bright - 0.7 * np.interp(frames - delay, frames, bright)
    return sound + buzz * swept


def _lagrange(delay: float) -> np.ndarray:
    """Return four taps that delay by `delay` samples, from 1 to 2.

    It interpolates as Lagrange did (Laakso et al. 1996).
    """
    taps = np.arange(4)
    return np.array([np.prod([(delay - other) / (tap - other) for other in taps if other != tap]) for tap in taps])


GUITAR_BODY = (105, 205, 280, 410, 600)
VIOLIN_BODY = (280, 460, 700, 1100, 2400)
ELECTRIC = StringSpec((5, 12), (0.03, 0.1), (0.08, 0.25), (2500, 6000), release=(0.04, 0.1))
BASS = StringSpec((5, 10), (0.06, 0.16), (0.12, 0.3), (700, 1600), (70, 120, 200), 0.3, (0, 0.08))
SPECS = {
    "classical guitar": StringSpec((2.5, 5), (0.08, 0.18), (0.2, 0.4), (1200, 3000), GUITAR_BODY, 0.7, (0.02, 0.15)),
    "acoustic guitar": StringSpec((4, 9), (0.02, 0.07), (0.1, 0.25), (3000, 9000), GUITAR_BODY, 0.5, (0.02, 0.1)),
    "double bass": StringSpec((1.5, 3.5), (0.12, 0.22), (0.2, 0.4), (500, 1200), (60, 100, 165, 250), 0.9, (0.05,
        0.3)),
    "harp": StringSpec((3, 7), (0.03, 0.1), (0.3, 0.5), (1200, 3000), (180, 320, 520), 0.3, release=(0.2, 0.45)),
    "banjo": StringSpec((0.8, 1.8), (0.01, 0.04), (0.06, 0.15), (6000, 12000), (320, 600, 900, 1400), 1.0, (0.1, 0.4)),
    "koto": StringSpec((2, 5), (0.02, 0.06), (0.05, 0.12), (4000, 10000), (220, 450, 800), 0.5, (0.05, 0.2),
        release=(0.1, 0.35)),
    "shamisen": StringSpec((0.7, 1.5), (0.02, 0.06), (0.05, 0.12), (4000, 9000), (400, 700, 1200), 0.9, (0.3, 0.8),
        buzz=(0.2, 0.6)),
    "sitar": StringSpec((4, 8), (0.02, 0.05), (0.05, 0.12), (4000, 9000), (200, 420), 0.4, (0.02, 0.1), 2, 5,
        buzz=(0.5, 1.2), release=(0.2, 0.4)),
    "harpsichord": StringSpec((2.5, 6), (0.01, 0.04), (0.08, 0.2), (7000, 14000), (150, 300, 500), 0.2, (0.02, 0.1),
        2, 4, True),
    "clavinet": StringSpec((2, 4), (0.02, 0.06), (0.06, 0.16), (4000, 9000), (), knock=(0.05, 0.2), release=(0.02,
        0.05)),
    "dulcimer": StringSpec((2.5, 6), (0.01, 0.05), (0.1, 0.2), (4000, 9000), (200, 380, 700), 0.4, (0.05, 0.2), 2, 8,
        release=(0.2, 0.4)),
    "pizzicato strings": StringSpec((0.5, 1.2), (0.1, 0.2), (0.2, 0.4), (1200, 3000), VIOLIN_BODY, 0.8, (0.05, 0.2),
        3, 5),
}  # fmt: skip
AMPLIFIED: dict[str, tuple[StringSpec, Effect]] = {
    "jazz guitar": (StringSpec((4, 9), (0.1, 0.18), (0.2, 0.35), (1200, 2500), (110, 220), 0.3), clean(1200, 2500)),
    "clean electric guitar": (ELECTRIC, clean(3000, 6000)),
    "muted guitar": (StringSpec((0.25, 0.6), (0.12, 0.22), (0.08, 0.2), (1500, 4000)), clean(2000, 5000)),
    "overdriven guitar": (ELECTRIC, driven(3, 10)),
    "distortion guitar": (ELECTRIC, driven(20, 80)),
    "electric bass": (BASS, clean(900, 2500)),
    "picked bass": (
        StringSpec((4, 9), (0.03, 0.09), (0.06, 0.14), (2500, 5000), knock=(0.05, 0.2)),
        clean(2000, 4000),
    ),
    "fretless bass": (StringSpec((5, 9), (0.12, 0.2), (0.15, 0.3), (500, 1000), (300, 600), 0.5), clean(700, 1500)),
    "slap bass": (StringSpec((3, 7), (0.01, 0.04), (0.2, 0.35), (5000, 9000), knock=(0.3, 0.9)), clean(4000, 8000)),
    "popped bass": (StringSpec((2, 5), (0.01, 0.03), (0.05, 0.1), (6000, 12000), knock=(0.2, 0.6)), clean(5000, 9000)),
}
MODELS = {name: pluck_string(spec) for name, spec in SPECS.items()} | {
    name: Model(pluck_string(spec).play, effect) for name, (spec, effect) in AMPLIFIED.items()
}
MODELS["clavinet"] = Model(MODELS["clavinet"].play, pickup(0.5, 2.0))


def _harmonics(tones: Tones, rng: Generator) -> list[np.ndarray]:
    """Touch the string at a node: few partials, a soft start, a long ring."""
    spec = StringSpec(
        (5, 10), (0.1, 0.2), (0.45, 0.5), (700, 1500), GUITAR_BODY, 0.2, (0.02, 0.08), release=(0.2, 0.4)
    )
    return [high_pass(sound, tone.frequency * 0.7) for sound, tone in zip(_play(spec, tones, rng), tones, strict=True)]


MODELS["guitar harmonics"] = Model(_harmonics)
