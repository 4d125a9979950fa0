"""Sound files of single notes, named after them: A3.mp3, Fs4.mp3, D#5v10.ogg.

patch = Patch(load_notes(sorted(folder.glob("*.mp3")), sustained=True))
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from workers.synthetic_music.sources.kits import load_sample
from workers.synthetic_music.sources.sampler import Sample

NAME = re.compile(r"([A-G])([s#]?)(-?\d)(?:v\d+)?")  # C4 is MIDI's 60
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SPACING = 2  # semitones: closer samples are left out
LONGEST = 12.0  # seconds
ONSET = 0.03  # of the peak
FRAME = 0.05  # seconds: of the level that a loop is chosen by
SWELL = 0.15  # seconds: the crossfade of a chosen loop


def note_of(name: str) -> int | None:
    """Return the MIDI pitch in a file's name without its suffix, or None."""
    match = NAME.fullmatch(name)
    if match is None:
        return None
    letter, sharp, octave = match.groups()
    return 12 * (int(octave) + 1) + SEMITONES[letter] + (1 if sharp else 0)


def load_notes(
    paths: Sequence[Path],
    *,
    sustained: bool,
    cents: Mapping[str, float | None] | None = None,
    sharp: float = 0.0,
    velocities: tuple[int, int] = (0, 127),
    level: float = 0.0,
) -> tuple[Sample, ...]:
    """Return the samples of an instrument from the lowest up, at least two semitones apart.

    `cents` says by how much single files are sharp, None leaves a file out; `sharp` is for the others. Files with
    other names than notes are ignored. `level` is in dB. A sustained instrument's samples are looped.
    """
    cents = cents or {}
    notes = {path: note_of(path.stem) for path in paths if cents.get(path.stem, 0.0) is not None}
    samples: list[Sample] = []
    lowest = -SPACING
    for path, pitch in sorted(((path, pitch) for path, pitch in notes.items() if pitch is not None), key=_by_pitch):
        if pitch - lowest >= SPACING:
            lowest = pitch
            root = pitch + (cents.get(path.stem) or sharp) / 100
            sample = replace(trim(load_sample(path, velocities, root)), level=level)
            samples.append(add_loop(sample) if sustained else sample)
    return tuple(samples)


def trim(sample: Sample) -> Sample:
    """Return the sample without the silence before its onset, and not longer than LONGEST."""
    mono = np.abs(sample.sound if sample.sound.ndim == 1 else sample.sound.max(axis=1))
    onset = int(np.argmax(mono > ONSET * mono.max()))
    start = max(0, onset - round(0.005 * sample.rate))
    return replace(sample, sound=sample.sound[start : start + round(LONGEST * sample.rate)])


def add_loop(sample: Sample) -> Sample:
    """Return the sample with a loop between two moments of equal level."""
    frame = round(FRAME * sample.rate)
    count = len(sample.sound) // frame
    if count < 12:
        return sample
    levels = np.sqrt(np.mean(sample.sound[: count * frame].reshape(count, -1) ** 2, axis=1))
    loud = np.flatnonzero(levels > 0.5 * np.median(levels[: count // 2]))
    stop = max(8, int(loud[-1]) * 9 // 10)
    early = slice(stop * 3 // 10, stop * 6 // 10)
    start = early.start + int(np.argmin(np.abs(levels[early] - levels[stop - 1])))
    return replace(sample, loop=(start * frame, stop * frame), blend=SWELL)


def _by_pitch(note: tuple[Path, int]) -> tuple[int, str]:
    return note[1], note[0].name
