"""Drum kits and hand percussion: patches by General MIDI key, which a kit's voices share.

patch = build_kit({36: [Sample(sound, 44_100, root=0)], 38: ...})
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from workers.synthetic_music.score.voices import KIT_KEYS, PERCUSSION
from workers.synthetic_music.sources.sampler import Patch, Sample

PERCUSSION_KEYS = {voice.name: voice.instrument.keys for voice in PERCUSSION if voice.manner != "kit"}

PEAK = 0.5
DEFAULT_LEVEL = -3.0
# dB; samples are normalised, and a hi-hat as loud as the kick is not a drum kit.
LEVELS = {35: 0.0, 36: 0.0, 38: -1.0, 40: -1.0, 37: -6.0, 39: -4.0, 42: -10.0, 44: -12.0, 46: -10.0}
LEVELS |= {41: -2.0, 43: -2.0, 45: -2.0, 47: -2.0, 48: -2.0, 50: -2.0}
LEVELS |= {49: -6.0, 57: -6.0, 52: -6.0, 55: -8.0, 51: -10.0, 59: -10.0, 53: -10.0}
# What plays a kit's missing key, the best first, and how many semitones higher.
SUBSTITUTES: dict[int, tuple[tuple[int, int], ...]] = {
    35: ((36, -1),),
    36: ((35, 1),),
    37: ((38, 5), (40, 5)),
    38: ((40, 0),),
    43: ((41, 2), (45, -3), (47, -5), (48, -7)),
    45: ((47, -2), (43, 3), (48, -4), (50, -6)),
    46: ((44, 0), (42, 0)),
    47: ((45, 2), (48, -2), (50, -4), (43, 5)),
    48: ((50, -2), (47, 2), (45, 4)),
    50: ((48, 2), (47, 4), (45, 5)),
    49: ((57, 0), (55, -3)),
    51: ((59, 0), (53, 0), (49, 2)),
    53: ((51, 3), (59, 3), (49, 4)),
}


def build_kit(keys: Mapping[int, Sequence[Sample]]) -> Patch:
    """Return a patch that plays each key by its samples, the softest velocities first.

    Each key is normalised to its loudest sample, then set to its usual level in a kit.
    """
    return Patch(tuple(sample for key in keys for sample in _normalise(key, keys[key])), is_kit=True, rings=True)


def complete_kit(keys: Mapping[int, Sequence[Sample]]) -> dict[int, Sequence[Sample]]:
    """Return the keys and substitutes for those that a drum kit lacks."""
    complete = dict(keys)
    for key in KIT_KEYS:
        for substitute, shift in SUBSTITUTES.get(key, ()):
            if key not in complete and substitute in keys:
                factor = 2 ** (shift / 12)
                complete[key] = [replace(sample, rate=sample.rate * factor) for sample in keys[substitute]]
    return complete


def percussion_voices(keys: Iterable[int]) -> frozenset[str]:
    """Return the names of the percussion voices, without kits, whose keys are all there."""
    available = {*keys}
    return frozenset(name for name, needed in PERCUSSION_KEYS.items() if available.issuperset(needed))


def load_layers(paths: Sequence[Path]) -> list[Sample]:
    """Return a key's samples, one for each file, the softest first."""
    edges = [round(edge) for edge in np.linspace(0, 128, len(paths) + 1)]
    return [load_sample(path, (edges[index], edges[index + 1] - 1)) for index, path in enumerate(paths)]


def load_sample(path: Path, velocities: tuple[int, int] = (0, 127), root: float = 0.0) -> Sample:
    """Return a sound file as a sample."""
    sound, rate = soundfile.read(path, dtype="float32")
    return Sample(sound if sound.ndim == 1 or sound.shape[1] == 2 else sound[:, 0], rate, root, velocities=velocities)


def _normalise(key: int, samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples for a key, the loudest at the key's level."""
    peak = max(float(np.abs(sample.sound).max()) for sample in samples)
    level = LEVELS.get(key, DEFAULT_LEVEL)
    gain = 20 * np.log10(PEAK / max(peak, 1e-6)) + level
    return [replace(sample, root=float(key), level=float(gain)) for sample in samples]
