"""The samples of a soundfont, played by the sampler without the soundfont's envelopes.

Source of the format: E-mu Systems, "SoundFont Technical Specification" 2.04. sf2utils reads it.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from workers.synthetic_music.score.notes import Note
from workers.synthetic_music.score.voices import VOICES, Voice
from workers.synthetic_music.sources.sampler import Patch, Sample, render_notes

DRUM_BANK = 128
PLAYED_VELOCITY = 90  # between the score's soft and loud notes: the layer that is read
STRUCK = frozenset("keys guitar bass mallet bell harp picking boom hit kit taps drone".split())  # manners that decay
DECAY_SECONDS = 8.0
HALF_LIVES = (0.18, 4.0)  # seconds: the range of the decay that is drawn
HALF = 20 * float(np.log10(0.5))  # dB


class SoundfontSamples:
    """A Source: the samples of a soundfont; struck sounds fade at a drawn rate."""

    def __init__(self, path: Path) -> None:
        self._presets = _read_presets(path)
        self._patch = cache(self._read_patch)

    def play(self, voice: str, notes: Sequence[Note], seconds: float, rng: Generator) -> np.ndarray:
        """Return the notes as float32 [round(seconds * RATE), 2]."""
        patch = self._patch(voice)
        half_life = float(np.exp(rng.uniform(*np.log(HALF_LIVES))))
        if VOICES[voice].manner in STRUCK:
            decay = ((0.0, 0.0), (DECAY_SECONDS, HALF * DECAY_SECONDS / half_life))
            patch = replace(patch, samples=tuple(replace(sample, envelope=decay) for sample in patch.samples))
        return render_notes(patch, notes, seconds, rng)

    def _read_patch(self, voice: str) -> Patch:
        """Return the samples of a voice. A drum kit that the soundfont lacks is its first one."""
        entry = VOICES[voice]
        with _without_warnings():
            return self._read_voice(entry)

    def _read_voice(self, entry: Voice) -> Patch:
        bank = DRUM_BANK if entry.is_percussion else 0
        preset = self._presets.get((bank, entry.program)) or self._presets[bank, 0]
        if entry.is_percussion:
            return Patch(tuple(_kit_samples(preset, entry.instrument.keys)), is_kit=True)
        return Patch(tuple(_samples(preset)))


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep sf2utils from logging that loops begin early."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _read_presets(path: Path) -> dict[tuple[int, int], Any]:
    """Return the presets by bank and program."""
    from sf2utils.sf2parse import Sf2File  # an extra: importing this module must not need it

    file = path.open("rb")  # the samples are read from it later
    with _without_warnings():
        presets = Sf2File(file).presets
    return {(preset.bank, preset.preset): preset for preset in presets if hasattr(preset, "bank")}


def _zones(preset: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the zones that play at the velocity, with their preset zones.

    Of a stereo pair, one side.
    """
    for outer in preset.bags:
        if outer.instrument is None or not _plays(outer.velocity_range):
            continue
        for zone in outer.instrument.bags:
            is_right = zone.sample is not None and zone.sample.sample_type & 0xF == 2
            if zone.sample is not None and not is_right and _plays(zone.velocity_range):
                yield outer, zone


def _plays(velocities: list[int] | None) -> bool:
    return velocities is None or velocities[0] <= PLAYED_VELOCITY <= velocities[1]


def _samples(preset: Any) -> Iterator[Sample]:
    for outer, zone in _zones(preset):
        tuning = sum((part.tuning or 0) + (part.fine_tuning or 0) / 100 for part in (outer, zone))
        root = zone.base_note if zone.base_note is not None else zone.sample.original_pitch
        yield _sample(zone, root - tuning - zone.sample.pitch_correction / 100)


def _kit_samples(preset: Any, keys: tuple[int, ...]) -> Iterator[Sample]:
    for _, zone in _zones(preset):
        low, high = zone.key_range or (0, 127)
        for key in keys:
            if low <= key <= high:
                yield _sample(zone, float(key))


def _sample(zone: Any, root: float) -> Sample:
    source = zone.sample
    sound = np.frombuffer(source.raw_sample_data, "<i2").astype(np.float32) / 2**15
    has_loop = bool(zone.sample_loop) and 0 <= source.start_loop < source.end_loop <= len(sound)
    return Sample(sound, source.sample_rate, root, (source.start_loop, source.end_loop) if has_loop else None)
