"""Subtractive synthesis: oscillators through a resonant lowpass whose cutoff moves.

Oscillators are sums of harmonics below 20 kHz; the filter is of two poles, with new coefficients every 5 ms
(Bristow-Johnson's cookbook).
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.signal import lfilter

from workers.synthetic_music.sources.base import RATE
from workers.synthetic_music.sources.synthesis.amplifiers import chorus, driven
from workers.synthetic_music.sources.synthesis.tones import (
    Effect,
    Model,
    Pair,
    Tones,
    cycle,
    draw,
    envelope,
    formants,
    harmonic_count,
    noise,
    phase_of,
    read_cycle,
    resonate,
    vibrato,
)

BLOCK = 240  # frames between changes of the filter
VOWEL = ((600, 150, 2.0), (1100, 200, 1.2), (2600, 400, 0.6))


@dataclass(frozen=True, slots=True)
class PatchSpec:
    """A patch: ranges from which each clip draws.

    `waves` are "saw", "square", "pulse", "triangle" or "sine", `intervals` their distances in semitones. `cutoff` is
    the filter's, in multiples of the tone's frequency; the envelope opens it by `sweep` octaves, which fall in `fall`
    seconds (or rise, if `sweep` is negative). `hiss` is the level of noise.
    """

    waves: tuple[str, ...]
    intervals: tuple[float, ...] = (0.0,)
    voices: int = 1
    spread: Pair = (3, 10)
    cutoff: Pair = (3, 8)
    sweep: Pair = (0, 2)
    fall: Pair = (0.1, 0.5)
    resonance: Pair = (0.7, 2.5)
    attack: Pair = (0.003, 0.01)
    release: Pair = (0.05, 0.15)
    ring: Pair | None = None
    wobble: Pair = (0, 8)
    hiss: Pair = (0.0, 0.0)
    peaks: tuple[tuple[float, float, float], ...] = ()
    swing: Pair = (0.0, 0.0)  # octaves that a slow oscillator moves the filter
    echo: float = 0.0


def patch(spec: PatchSpec, effect: Effect | None = None) -> Model:
    """Return the model of a patch."""
    return Model(lambda tones, rng: _play(spec, tones, rng), effect)


def _play(spec: PatchSpec, tones: Tones, rng: Generator) -> list[np.ndarray]:
    attack, release, fall = draw(rng, *spec.attack), draw(rng, *spec.release), draw(rng, *spec.fall)
    spread, sweep, wobble, hiss, swing = (
        rng.uniform(*pair) for pair in (spec.spread, spec.sweep, spec.wobble, spec.hiss, spec.swing)
    )
    cutoff, quality, ring = draw(rng, *spec.cutoff), draw(rng, *spec.resonance), draw(rng, *(spec.ring or (1, 1)))
    waves = [spec.waves[int(rng.integers(len(spec.waves)))] for _ in spec.intervals]
    speed, width = rng.uniform(0.1, 0.6), rng.uniform(0.15, 0.45)
    sounds = []
    for tone in tones:
        level = envelope(tone, min(attack, 0.5 * tone.seconds), release)
        frames = len(level)
        bend = vibrato(frames, rng, wobble)
        sound = hiss * noise(rng, frames)
        for wave, interval in zip(waves, spec.intervals, strict=True):
            frequency = tone.frequency * 2 ** (interval / 12)
            table = waveform(wave, frequency, width, spec.peaks)
            for number in range(spec.voices):
                cents = spread * (number - (spec.voices - 1) / 2) + rng.normal()
                phase = phase_of(frequency * 2 ** (cents / 1200), bend, frames, rng.uniform())
                sound += read_cycle(table, phase)
        time = np.arange(0, frames, BLOCK) / RATE
        octaves = sweep * np.exp(-time / fall) + swing * np.sin(2 * np.pi * speed * time + 1)
        cutoffs = cutoff * (0.6 + 0.6 * tone.velocity) * tone.frequency * 2**octaves
        sound = filter_moving(sound, cutoffs, quality) * level * tone.velocity
        sounds.append(sound * np.exp(-np.arange(frames) / (ring * RATE)) if spec.ring else sound)
    return [_repeat(sound, spec.echo) for sound in sounds] if spec.echo else sounds


def waveform(
    wave: str, frequency: float, width: float = 0.3, peaks: tuple[tuple[float, float, float], ...] = ()
) -> np.ndarray:
    """Return one period of a wave, without harmonics over 20 kHz; `width` is a pulse's."""
    order = np.arange(1, harmonic_count(frequency) + 1)
    levels = {
        "saw": 0.6 / order,
        "square": (order % 2) / order,
        "pulse": np.sin(np.pi * order * width) / order,
        "triangle": (order % 2) / order**2,
        "sine": (order == 1) * 1.0,
    }[wave]
    return cycle(levels * formants(order * frequency, peaks, 0.15) if peaks else levels)


def filter_moving(sound: np.ndarray, cutoffs: np.ndarray, quality: float) -> np.ndarray:
    """Return the sound through a lowpass with a cutoff in Hz for each block."""
    turns = 2 * np.pi * np.clip(cutoffs, 30, 0.4 * RATE) / RATE
    alphas, cosines = np.sin(turns) / (2 * quality), np.cos(turns)
    result, state = np.empty_like(sound), np.zeros(2)
    for index, (alpha, cosine) in enumerate(zip(alphas, cosines, strict=True)):
        block = slice(index * BLOCK, (index + 1) * BLOCK)
        gain = (1 - cosine) / 2
        result[block], state = lfilter(
            np.array([gain, 2 * gain, gain]) / (1 + alpha), [1, -2 * cosine / (1 + alpha), (1 - alpha) / (1 + alpha)],
            sound[block], zi=state,
        )  # fmt: skip
    return result


def _repeat(sound: np.ndarray, seconds: float) -> np.ndarray:
    """Return the sound with three softer echoes."""
    shift = round(seconds * RATE)
    result = np.zeros(len(sound) + 3 * shift)
    for number in range(4):
        result[number * shift : number * shift + len(sound)] += sound * 0.55**number
    return result


PAD: tuple[Pair, Pair] = ((0.15, 0.6), (0.4, 0.9))
DETUNED: Pair = (5, 12)
SPECS: dict[str, tuple[PatchSpec, Effect | None]] = {
    "synth bass": (PatchSpec(("saw", "square", "pulse"), (0, -12), 1, cutoff=(2, 6), sweep=(1, 3), fall=(0.06, 0.3),
        resonance=(1, 5), ring=(1, 3)), None),
    "sub bass": (PatchSpec(("sine", "triangle"), (0,), 1, cutoff=(2, 4), sweep=(0, 0.5), attack=(0.005, 0.02)), None),
    "square lead": (PatchSpec(("square", "pulse"), (0,), 1, cutoff=(8, 20), wobble=(4, 16)), None),
    "saw lead": (PatchSpec(("saw",), (0, 0), 1, DETUNED, (6, 16), wobble=(4, 16)), None),
    "calliope lead": (PatchSpec(("triangle", "square"), (0, 12), 1, cutoff=(2, 5), wobble=(8, 20), hiss=(0.02, 0.1),
        attack=(0.02, 0.05)), None),
    "chiff lead": (PatchSpec(("triangle", "sine"), (0,), 1, cutoff=(3, 7), sweep=(1, 3), fall=(0.03, 0.08),
        hiss=(0.1, 0.3), wobble=(4, 14)), None),
    "charang lead": (PatchSpec(("saw", "pulse"), (0, 0), 1, DETUNED, (5, 12), (1, 2), ring=(0.8, 2)), driven(4, 15)),
    "voice lead": (PatchSpec(("saw",), (0,), 2, DETUNED, (6, 12), wobble=(10, 25), peaks=VOWEL, attack=(0.04, 0.1)),
        None),
    "fifths lead": (PatchSpec(("saw",), (0, 7), 1, cutoff=(6, 14), wobble=(3, 10)), None),
    "bass and lead": (PatchSpec(("saw", "square"), (0, -12, 0), 1, cutoff=(4, 10), sweep=(1, 3), fall=(0.1, 0.4),
        resonance=(1, 4)), None),
    "synth strings": (PatchSpec(("saw",), (0,), 3, DETUNED, (4, 9), (0, 0.5), attack=(0.05, 0.15), release=(0.2,
        0.5)), chorus(0.5, 2.5)),
    "slow synth strings": (PatchSpec(("saw",), (0,), 3, DETUNED, (3, 6), (-1, 0), attack=(0.3, 0.7), release=(0.4,
        0.9)), chorus(0.5, 2.5)),
    "string ensemble": (PatchSpec(("saw",), (0, 12), 2, DETUNED, (3, 7), (0, 0.5), attack=(0.06, 0.2), release=(0.2,
        0.5)), chorus(0.8, 2.5)),
    "synth brass": (PatchSpec(("saw",), (0, 0), 1, DETUNED, (2, 5), (1, 2.5), (0.15, 0.5), attack=(0.02, 0.06)), None),
    "soft synth brass": (PatchSpec(("saw",), (0, 0), 1, DETUNED, (1.5, 3), (0.5, 1.5), (0.2, 0.6), attack=(0.06,
        0.15)), None),
    "synth voice": (PatchSpec(("saw", "pulse"), (0,), 3, DETUNED, (8, 14), (0, 0), attack=(0.06, 0.2), release=(0.2,
        0.5), wobble=(5, 15), peaks=VOWEL), chorus(0.3, 1.5)),
    "new age pad": (PatchSpec(("triangle", "saw"), (0, 12), 2, DETUNED, (3, 8), (1, 3), (0.1, 0.4), attack=(0.01,
        0.05), release=PAD[1]), chorus(0.3, 2)),
    "warm pad": (PatchSpec(("saw", "triangle"), (0,), 3, DETUNED, (1.5, 3), (0, 0.5), attack=PAD[0], release=PAD[1]),
        chorus(0.5, 2)),
    "polysynth pad": (PatchSpec(("saw", "pulse"), (0,), 3, DETUNED, (4, 10), (0.5, 1.5), attack=(0.02, 0.08),
        release=(0.2, 0.5)), None),
    "choir pad": (PatchSpec(("saw",), (0,), 3, DETUNED, (8, 14), (0, 0), attack=PAD[0], release=PAD[1], wobble=(5,
        15), peaks=VOWEL, hiss=(0.01, 0.05)), None),
    "bowed pad": (PatchSpec(("triangle", "sine"), (0, 12), 2, DETUNED, (4, 9), (0, 0.5), attack=(0.2, 0.6),
        release=PAD[1], wobble=(5, 15)), chorus(0.3, 1.5)),
    "metallic pad": (PatchSpec(("pulse", "square"), (0, 7.02, 12), 1, DETUNED, (5, 12), (0, 1), resonance=(2, 6),
        attack=PAD[0], release=PAD[1]), chorus(1, 4)),
    "halo pad": (PatchSpec(("saw", "triangle"), (0, 12), 2, DETUNED, (4, 8), (0, 0), attack=PAD[0], release=PAD[1],
        peaks=VOWEL), chorus(0.5, 2)),
    "sweep pad": (PatchSpec(("saw",), (0,), 3, DETUNED, (2, 5), (0, 0.5), resonance=(2, 6), attack=PAD[0],
        release=PAD[1], swing=(1, 2)), None),
    "rain synth": (PatchSpec(("triangle", "sine"), (0, 12.1, 19), 1, DETUNED, (5, 12), (1, 3), (0.05, 0.2),
        release=(0.4, 0.9), ring=(0.5, 1.2), echo=0.18), None),
    "soundtrack synth": (PatchSpec(("saw",), (0, 7), 2, DETUNED, (2, 5), (-1, 0), (0.3, 0.8), attack=PAD[0],
        release=PAD[1], swing=(0.3, 1)), None),
    "atmosphere synth": (PatchSpec(("saw", "triangle"), (0, 0), 1, DETUNED, (3, 7), (1, 3), (0.1, 0.4), release=(0.5,
        1), ring=(1.5, 3)), chorus(0.5, 2)),
    "brightness synth": (PatchSpec(("saw", "pulse"), (0, 12), 2, DETUNED, (10, 24), (0, 1), attack=(0.02, 0.1),
        release=(0.3, 0.8)), None),
    "goblin synth": (PatchSpec(("saw", "sine"), (0, -12), 1, DETUNED, (2, 5), (0, 1), resonance=(3, 8),
        attack=PAD[0], release=PAD[1], wobble=(20, 45), swing=(0.8, 1.8)), None),
    "echo synth": (PatchSpec(("saw", "pulse"), (0,), 2, DETUNED, (4, 10), (1, 2), (0.1, 0.3), ring=(0.5, 1.2),
        echo=0.28), None),
    "sci-fi synth": (PatchSpec(("saw", "square"), (0, 0.1, 12), 1, DETUNED, (4, 10), (1, 3), (0.3, 1), (3, 8),
        release=PAD[1], swing=(0.5, 1.5)), chorus(1, 3)),
    "square-wave clavinet": (PatchSpec(("pulse",), (0,), 1, cutoff=(5, 12), sweep=(1, 3), fall=(0.05, 0.2),
        ring=(0.5, 1.2)), None),
    "rock organ": (PatchSpec(("square", "pulse"), (0, 12), 1, (1, 3), (4, 9), (0, 0)), driven(2, 6)),
    "overdriven guitar": (PatchSpec(("pulse", "saw"), (0,), 1, cutoff=(5, 12), sweep=(1, 2), fall=(0.2, 0.6),
        ring=(1.5, 3)), driven(6, 20)),
    "accordion": (PatchSpec(("pulse", "square"), (0,), 2, (10, 20), (5, 12), (0, 0), attack=(0.03, 0.07), wobble=(0,
        3)), None),
    "trumpet": (PatchSpec(("saw",), (0,), 1, cutoff=(3, 6), sweep=(0.5, 1.5), fall=(0.1, 0.4), attack=(0.02, 0.05),
        wobble=(3, 14)), None),
    "clarinet": (PatchSpec(("square",), (0,), 1, cutoff=(3, 6), sweep=(0, 0.5), attack=(0.03, 0.06), wobble=(0, 6),
        hiss=(0, 0.02)), None),
    "flute": (PatchSpec(("triangle",), (0,), 1, cutoff=(1.5, 3), sweep=(0, 0.5), attack=(0.04, 0.08), wobble=(5, 18),
        hiss=(0.05, 0.15)), None),
    "violin": (PatchSpec(("saw",), (0,), 1, cutoff=(4, 8), sweep=(0, 0.5), attack=(0.05, 0.12), wobble=(10, 28)),
        None),
    "cello": (PatchSpec(("saw",), (0,), 1, cutoff=(3, 7), sweep=(0, 0.5), attack=(0.06, 0.14), wobble=(8, 24)), None),
}  # fmt: skip
SPECS["clavinet"] = SPECS.pop("square-wave clavinet")
MODELS = {name: patch(spec, effect) for name, (spec, effect) in SPECS.items()}


def _hit(tones: Tones, rng: Generator) -> list[np.ndarray]:
    """Stab a chord of saws over three octaves, with a drum below."""
    spec = PatchSpec(("saw",), (-12, 0, 7, 12, 19), 2, DETUNED, (4, 8), (1, 2), (0.1, 0.3), ring=(0.2, 0.5))
    sounds = _play(spec, tones, rng)
    for sound, tone in zip(sounds, tones, strict=True):
        boom = resonate(noise(rng, len(sound)), 0.25 * tone.frequency, 30) * np.exp(
            -np.arange(len(sound)) / (0.15 * RATE)
        )
        sound += 4 * boom
    return sounds


def _synth_drum(tones: Tones, rng: Generator) -> list[np.ndarray]:
    """Drop a sine by an octave or two, as an electronic tom."""
    depth, fall, ring = rng.uniform(0.5, 1.8), draw(rng, 0.03, 0.12), draw(rng, 0.12, 0.4)
    sounds = []
    for tone in tones:
        time = np.arange(round(4 * ring * RATE)) / RATE
        phase = np.cumsum(tone.frequency * 2 ** (depth * np.exp(-time / fall))) / RATE
        click = noise(rng, len(time)) * np.exp(-time / 0.008)
        sounds.append((np.sin(2 * np.pi * phase) + 0.2 * click) * np.exp(-time / ring) * tone.velocity)
    return sounds


MODELS |= {"orchestra hit": Model(_hit), "synth drum": Model(_synth_drum)}
