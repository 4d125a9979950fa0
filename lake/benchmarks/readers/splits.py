"""Splits: their hash, and a random draw that is the same on every machine."""

import hashlib
import json

from schemas.benchmarks import Clip

_VALID, _TEST = 0.1, 0.2  # fractions of the clips, or artists, if the labels name no split


def split_hash(clips: list[Clip], names: tuple[str, ...] = ()) -> str:
    """Return the first 12 hex digits of a sha256 over the clips and class names.

    The hash covers ids, splits, labels, captions, targets and `names`. The order of the clips and of their labels
    does not change it; neither does the path of their audio.
    """
    rows = [
        [clip.clip_id, clip.split, sorted(clip.labels), clip.captions, clip.targets]
        for clip in sorted(clips, key=lambda clip: clip.clip_id)
    ]
    return hashlib.sha256(json.dumps([rows, sorted(names)], separators=(",", ":")).encode()).hexdigest()[:12]


def split_fraction(name: str) -> float:
    """Map a name to a number in [0, 1), uniformly, the same on every machine.

    The names with a number under 0.1 are therefore a tenth of all names.
    """
    return int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) / 16**12


def draw_split(name: str) -> str:
    """Draw train, valid or test (70/10/20) by a hash of the name.

    Give the artist's name, so that no artist is in two splits.
    """
    fraction = split_fraction(name)
    if fraction < _TEST:
        return "test"
    return "valid" if fraction < _TEST + _VALID else "train"
