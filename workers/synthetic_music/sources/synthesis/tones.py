"""What our synthesizers share: tones, models, envelopes, filters, and the mix of a part.

source = Synthesizer({"marimba": Model(play_marimba)})
sound = source.play("marimba", notes, 9.5, np.random.default_rng(0))
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from scipy.signal import fftconvolve, lfilter

from workers.synthetic_music.score.notes import Note
from workers.synthetic_music.sources.base import RATE

SILENCE = 1e-4  # amplitude, relative to a tone's start, below which a decay is cut
TUNING_CENTS = 6.0


@dataclass(frozen=True, slots=True)
class Tone:
    """A note to synthesise.

    It has a MIDI pitch, a frequency in Hz, seconds until its release, and a velocity from 0 to 1.
    """

    pitch: int
    frequency: float
    seconds: float
    velocity: float

    @property
    def frames(self) -> int:
        return max(1, round(self.seconds * RATE))


Pair = tuple[float, float]  # a range that a clip draws from
Peaks = tuple[tuple[float, float, float], ...]  # resonances: Hz, bandwidth in Hz, gain
Tones = Sequence[Tone]
Play = Callable[[Tones, Generator], list[np.ndarray]]
Effect = Callable[[np.ndarray, Generator], np.ndarray]


@dataclass(frozen=True, slots=True)
class Model:
    """A model of an instrument.

    `play` draws the parameters of a clip and returns each tone, mono. `effect`, such as an amplifier, changes the
    sum of the tones.
    """

    play: Play
    effect: Effect | None = None


class Synthesizer:
    """A Source of models by voice."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self.models = models

    def play(self, voice: str, notes: Sequence[Note], seconds: float, rng: Generator) -> np.ndarray:
        frames = round(seconds * RATE)
        sound = np.zeros((frames, 2))
        model, tuning = self.models[voice], rng.uniform(-TUNING_CENTS, TUNING_CENTS)
        width, room = rng.uniform(0, 0.5), draw_room(rng)
        if not notes:
            return sound.astype(np.float32)
        tones = [
            Tone(note.pitch, pitch_frequency(note.pitch, tuning), min(note.length, seconds), note.velocity / 127)
            for note in notes
        ]
        for note, tone in zip(notes, model.play(tones, rng), strict=True):
            start = round(note.start * RATE)
            target = sound[start : start + len(tone)]
            side = width * np.clip((note.pitch - 64) / 40, -1, 1)
            target += tone[: len(target), None] * np.array([1 - side, 1 + side]) / 2
        if model.effect:
            sound[:] = model.effect(sound.mean(axis=1), rng)[:, None]
        return _set_peak(sound + room(sound) if room else sound)


def _set_peak(sound: np.ndarray) -> np.ndarray:
    peak = float(np.abs(sound).max())
    return (sound * (0.5 / peak)).astype(np.float32) if peak else sound.astype(np.float32)


def pitch_frequency(pitch: float, cents: float = 0.0) -> float:
    """Return the frequency of a MIDI pitch in Hz, in equal temperament."""
    return 440 * 2 ** ((pitch - 69 + cents / 100) / 12)


def draw_room(rng: Generator) -> Effect | None:
    """Draw a reverberation: none, a room or a hall. It maps [frames, 2] to its echoes alone.

    The response is exponentially decaying noise (Moorer 1979).
    """
    kind, seconds = rng.random(), rng.uniform(0.2, 0.6)
    level, delay, seed = rng.uniform(0.02, 0.15), round(rng.uniform(0.003, 0.02) * RATE), int(rng.integers(1 << 30))
    if kind < 0.4:
        return None
    seconds *= 1 if kind < 0.8 else 3

    def echo(sound: np.ndarray, _: Generator | None = None) -> np.ndarray:
        time = np.arange(round(seconds * RATE)) / RATE
        noise = np.random.default_rng(seed).standard_normal((len(time), 2)) * np.exp(-6.9 * time / seconds)[:, None]
        response = lfilter([0.4], [1, -0.6], noise, axis=0)
        response *= level / np.sqrt(np.mean(np.sum(response**2, axis=0)))
        wet = fftconvolve(sound, response, axes=0)[: len(sound)]
        return np.concatenate([np.zeros((delay, 2)), wet])[: len(sound)]

    return echo


def envelope(tone: Tone, attack: float, release: float, sustain: float = 1.0, decay: float = 0.1) -> np.ndarray:
    """Return an attack, decay, sustain and release; times are in seconds.

    The release, after the tone's length, is exponential and ends with 0.
    """
    time = np.arange(tone.frames + round(release * RATE)) / RATE
    rise = np.minimum(1, time / max(attack, 1e-3))
    body = sustain + (1 - sustain) * np.exp(-np.maximum(0, time - attack) / decay)
    return rise * body * release_curve(tone, len(time), release)


def release_curve(tone: Tone, frames: int, release: float) -> np.ndarray:
    """Return 1 until the tone's release, then a fall to 0 in `release` seconds."""
    late = np.clip((np.arange(frames) / RATE - tone.seconds) / max(release, 1e-3), 0, 1)
    return (1 - late) * np.exp(-3 * late)


def vibrato(frames: int, rng: Generator, cents: float, rate: float = 5.5, delay: float = 0.25) -> np.ndarray:
    """Return factors of a frequency: a vibrato and a slow drift.

    The vibrato begins after `delay` seconds; its depth is in cents.
    """
    time = np.arange(frames) / RATE
    depth = cents * np.clip((time - delay) / 0.3, 0, 1)
    wave = depth * np.sin(2 * np.pi * rate * rng.uniform(0.9, 1.1) * time + rng.uniform(0, 0.5))
    drift = 2 * np.sin(2 * np.pi * rng.uniform(0.3, 1.2) * time + rng.uniform(0, 6.3))
    return 2 ** ((wave + drift) / 1200)


def phase_of(frequency: float, factors: np.ndarray | float, frames: int, start: float = 0.0) -> np.ndarray:
    """Return the phase in cycles [frames] of a frequency that `factors` bend."""
    if isinstance(factors, float | int):
        return start + frequency * factors / RATE * np.arange(frames)
    return start + np.cumsum(frequency / RATE * factors[:frames])


def sum_partials(
    frequencies: np.ndarray, decays: np.ndarray, amplitudes: np.ndarray, frames: int, phases: np.ndarray | float = 0.0
) -> np.ndarray:
    """Return a sum of decaying sines [frames]; `decays` are seconds until 1/e.

    Powers of each pole are products of a coarse and a fine power, so that the sum is a product of two matrices.
    """
    audible = (frequencies < 0.45 * RATE) & (frequencies > 0)
    poles = -1 / (decays[audible] * RATE) + 2j * np.pi * frequencies[audible] / RATE
    weights = amplitudes[audible] * np.exp(1j * np.broadcast_to(phases, audible.shape)[audible])
    block = max(64, int(np.sqrt(frames)))
    coarse = np.exp(np.outer(np.arange(-(-frames // block)) * block, poles)) * weights
    fine = np.exp(np.outer(poles, np.arange(block)))
    return (coarse @ fine).imag.ravel()[:frames]


def cycle(amplitudes: np.ndarray, phases: np.ndarray | None = None, size: int = 2048) -> np.ndarray:
    """Return one period [size + 1] of a sum of harmonics; amplitudes[0] is the fundamental's."""
    spectrum = np.zeros(size // 2 + 1, complex)
    count = min(len(amplitudes), size // 2 - 1)
    turns = np.zeros(count) if phases is None else phases[:count]
    spectrum[1 : count + 1] = -0.5j * size * amplitudes[:count] * np.exp(1j * turns)
    wave = np.fft.irfft(spectrum, size)
    return np.append(wave, wave[0])


def read_cycle(table: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Return the table of one period at phases in cycles, by linear interpolation."""
    position = phase * (len(table) - 1)
    whole = np.floor(position)
    index = whole.astype(np.int64) % (len(table) - 1)
    return table[index] + (position - whole) * np.diff(table)[index]


def fade_cycles(loud: np.ndarray, soft: np.ndarray, swell: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Return a crossfade of two tables of one period at phases in cycles.

    Where `swell` is 1, only `loud` sounds. The tables are long enough to read the nearest entry of the difference.
    """
    position = phase * (len(loud) - 1)
    whole = np.floor(position)
    index = whole.astype(np.int64) % (len(loud) - 1)
    return soft[index] + (position - whole) * np.diff(soft)[index] + swell * (loud - soft)[index]


def harmonic_count(frequency: float, limit: int = 200) -> int:
    """Return how many harmonics lie below 20 kHz, at most `limit`."""
    return max(1, min(limit, int(20_000 / frequency)))


def formants(frequencies: np.ndarray, peaks: Sequence[tuple[float, float, float]], floor: float) -> np.ndarray:
    """Return the gain of resonances (Hz, bandwidth in Hz, gain) at frequencies, above a floor."""
    gain = np.full(len(frequencies), floor)
    for centre, bandwidth, level in peaks:
        gain = gain + level / (1 + ((frequencies - centre) / (bandwidth / 2)) ** 2)
    return gain


@lru_cache(maxsize=1024)
def resonator(centre: float, bandwidth: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return a band-pass filter (b, a) of gain 1 at its centre, in Hz."""
    width = np.tan(np.pi * min(bandwidth, 0.4 * RATE) / RATE)
    cosine = np.cos(2 * np.pi * min(centre, 0.45 * RATE) / RATE)
    return (
        (width / (1 + width), 0.0, -width / (1 + width)),
        (1.0, -2 * cosine / (1 + width), (1 - width) / (1 + width)),
    )


def resonate(sound: np.ndarray, centre: float, bandwidth: float) -> np.ndarray:
    """Return the sound through one resonance."""
    return lfilter(*resonator(float(centre), float(bandwidth)), sound)


def low_pass(sound: np.ndarray, cutoff: float, times: int = 1) -> np.ndarray:
    """Return the sound through `times` filters of one pole."""
    pole = np.exp(-2 * np.pi * min(cutoff, 0.45 * RATE) / RATE)
    for _ in range(times):
        sound = lfilter([1 - pole], [1, -pole], sound)
    return sound


def high_pass(sound: np.ndarray, cutoff: float, times: int = 1) -> np.ndarray:
    """Return what low_pass removes, `times` times."""
    for _ in range(times):
        sound = sound - low_pass(sound, cutoff)
    return sound


def noise(rng: Generator, frames: int) -> np.ndarray:
    """Return white noise [frames] of RMS 1."""
    return rng.standard_normal(frames)


def draw(rng: Generator, low: float, high: float) -> float:
    """Draw a positive number, uniform in its logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
