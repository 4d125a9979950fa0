"""A sampler: it plays recordings of single notes at any pitch.

Samples have loops, envelopes and velocity layers.

sampler = Sampler({"banjo": [lambda: Patch((Sample(sound, 44_100, root=55.0),))]})
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import soxr
from numpy.random import Generator

from workers.synthetic_music.score.notes import LOUD, Note
from workers.synthetic_music.sources.base import RATE

REACH = 9.0  # semitones beyond the outermost samples; notes farther away are moved by octaves
REACH_ALONE = 18.0  # the same for an instrument of one sample
BIAS = 2.5  # semitones: how far a part may prefer higher or lower samples
DETUNE = 0.06  # semitones: the largest detuning of a pitched part
KIT_DETUNE = 0.4  # semitones: the same for sounds without a pitch
RING = 4.0  # seconds: the longest sound of a one-shot
FLOOR = -90.0  # dB


@dataclass(frozen=True)
class Sample:
    """The recording of a note.

    `sound` is float32 [frames] or [frames, 2], with `rate` frames a second; it sounds at the MIDI pitch `root`.
    `loop` is the first and the last frame (exclusive) of what a sustained note repeats, to and fro if `ping_pong`.
    `envelope` has points (seconds, dB); its last level stays. A note fades in `release` seconds. `velocities` are the
    softest and the loudest note that it is for. `level` is in dB. `blend` are the seconds of a loop's crossfade.
    """

    sound: np.ndarray
    rate: float
    root: float
    loop: tuple[int, int] | None = None
    ping_pong: bool = False
    envelope: tuple[tuple[float, float], ...] = ()
    release: float = 0.12
    velocities: tuple[int, int] = (0, 127)
    level: float = 0.0
    blend: float = 0.02

    def read(self, frames: int) -> np.ndarray:
        """Return at most that many frames, float32, with the loop repeated."""
        if self.loop is None:
            return self.sound[:frames]
        start = self.loop[0]
        repeats = max(0, -(-(frames - start) // len(self._cycle)))
        return np.concatenate([self.sound[:start], *[self._cycle] * repeats])[:frames]

    @cached_property
    def _cycle(self) -> np.ndarray:
        """Return the loop for repetition.

        Its end is blended with what precedes its beginning, so that it does not click.
        """
        start, stop = self.loop or (0, len(self.sound))
        cycle = self.sound[start:stop].copy()
        if self.ping_pong:
            return np.concatenate([cycle, cycle[::-1]])
        blend = min(len(cycle) // 2, start, round(self.blend * self.rate))
        if blend:
            weight = np.linspace(0, 1, blend, dtype=np.float32).reshape(-1, *[1] * (cycle.ndim - 1))
            cycle[-blend:] = (1 - weight) * cycle[-blend:] + weight * self.sound[start - blend : start]
        return cycle


@dataclass(frozen=True, slots=True)
class Patch:
    """The samples of an instrument.

    If `is_kit`, a note plays the samples whose root is its pitch, as recorded. If `rings`, notes do not stop before
    the sample does.
    """

    samples: tuple[Sample, ...]
    is_kit: bool = False
    rings: bool = False

    def choose(self, note: Note, bias: float) -> list[Sample]:
        """Return the samples for a note: of one root, of its velocity if possible."""
        nearest = min(self.samples, key=lambda sample: abs(sample.root - note.pitch - bias))
        same = [sample for sample in self.samples if abs(sample.root - nearest.root) < 0.5]
        layer = [sample for sample in same if sample.velocities[0] <= note.velocity <= sample.velocities[1]]
        return layer or same

    def fold(self, pitch: int) -> int:
        """Return the pitch, moved by octaves if no sample is near."""
        roots = [sample.root for sample in self.samples]
        reach = REACH if len(roots) > 1 else REACH_ALONE
        while not self.is_kit and pitch > max(roots) + reach:
            pitch -= 12
        while not self.is_kit and pitch < min(roots) - reach:
            pitch += 12
        return pitch


class Sampler:
    """A Source whose voices are patches.

    A voice has one patch or several; each is loaded at its first note.
    """

    def __init__(self, loaders: Mapping[str, Sequence[Callable[[], Patch]]]) -> None:
        self.loaders = loaders
        self._patches: dict[tuple[str, int], Patch] = {}

    def play(self, voice: str, notes: Sequence[Note], seconds: float, rng: Generator) -> np.ndarray:
        """Return the notes as sound, float32 [round(seconds * RATE), 2].

        `rng` draws which of the voice's patches plays.
        """
        index = int(rng.integers(len(self.loaders[voice])))
        if (voice, index) not in self._patches:
            self._patches[voice, index] = self.loaders[voice][index]()
        return render_notes(self._patches[voice, index], notes, seconds, rng)


def render_notes(patch: Patch, notes: Sequence[Note], seconds: float, rng: Generator) -> np.ndarray:
    """Return the notes, played with a patch, as float32 [round(seconds * RATE), 2].

    `rng` draws the tuning, which neighbouring sample plays, which of several alike, and each note's level.
    """
    detune = float(rng.uniform(-1, 1)) * (KIT_DETUNE if patch.is_kit else DETUNE)
    bias = 0.0 if patch.is_kit else float(rng.uniform(-BIAS, BIAS))
    draws = rng.random((len(notes), 2))
    strokes: dict[tuple[int, float], list[tuple[Note, float]]] = defaultdict(list)
    samples: dict[int, Sample] = {}
    for note, (choice, accent) in zip(notes, draws, strict=True):
        pitch = patch.fold(note.pitch)
        candidates = patch.choose(Note(note.start, note.length, pitch, note.velocity), bias)
        sample = candidates[int(choice * len(candidates))]
        samples[id(sample)] = sample
        shift = detune + (0.0 if patch.is_kit else pitch - sample.root)
        strokes[id(sample), shift].append((note, 0.85 + 0.15 * float(accent)))
    sound = np.zeros((round(seconds * RATE), 2), np.float32)
    for (key, shift), same_strokes in strokes.items():
        _add_strokes(sound, samples[key], shift, same_strokes, patch.rings)
    return sound


def _add_strokes(
    sound: np.ndarray, sample: Sample, shift: float, strokes: Sequence[tuple[Note, float]], rings: bool
) -> None:
    """Add notes of one sample at one pitch to the sound [frames, 2], in place.

    Each is (note, accent). The sample is resampled once, for the longest of them.
    """
    release = max(0.005, sample.release)
    lengths = [RING if rings else note.length + release for note, _ in strokes]
    tone = _resample(sample, shift, min(max(lengths), len(sound) / RATE))
    for (note, accent), length in zip(strokes, lengths, strict=True):
        start = max(0, round(note.start * RATE))
        frames = min(round(length * RATE), len(tone), len(sound) - start)
        if frames <= 0:
            continue
        part = tone[:frames] * np.float32(accent * (note.velocity / LOUD) ** 2)
        held_frames = round((length - release) * RATE)
        fade = part[held_frames:]
        fade *= np.square(np.linspace(1, 0, round(release * RATE) + 1, dtype=np.float32))[: len(fade), None]
        sound[start : start + frames] += part


def _resample(sample: Sample, shift: float, seconds: float) -> np.ndarray:
    """Return the sample, `shift` semitones higher, as float32 [frames, 2] of at most `seconds`."""
    rate = sample.rate * 2 ** (shift / 12)
    recording = sample.read(round(seconds * rate) + 1)
    tone = soxr.resample(recording, rate, RATE, quality="MQ")[: round(seconds * RATE)]
    ramp = min(len(tone), 48)
    curve = _envelope(sample, len(tone))
    tone = tone * (curve[:, None] if tone.ndim == 2 else curve)
    tone[len(tone) - ramp :] *= np.linspace(1, 0, ramp, dtype=np.float32).reshape(-1, *[1] * (tone.ndim - 1))
    return tone if tone.ndim == 2 else np.repeat(tone[:, None], 2, axis=1)


def _envelope(sample: Sample, frames: int) -> np.ndarray:
    """Return the amplitude over time, float32 [frames]."""
    if not sample.envelope:
        return np.full(frames, 10 ** (sample.level / 20), np.float32)
    times, levels = zip(*sample.envelope, strict=True)
    coarse = np.interp(np.arange(0, frames + 48, 48) / RATE, times, levels) + sample.level
    amplitudes = np.where(coarse > FLOOR, 10 ** (coarse / 20), 0)
    return np.interp(np.arange(frames) / 48, np.arange(len(amplitudes)), amplitudes).astype(np.float32)
