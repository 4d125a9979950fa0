"""Names a split by its content, and makes splits that come out the same everywhere."""

import hashlib
import json

from schemas.benchmarks import Clip

_VALID, _TEST = 0.1, 0.2  # shares of the clips, or artists, where nobody named a split


def split_hash(clips: list[Clip], names: tuple[str, ...] = ()) -> str:
    """First 12 hex digits of sha256 over the clips' ids, splits, labels, captions and targets, and the class names.

    Neither the order of the clips nor that of their labels counts; where their audio is does not count either.
    """
    rows = [
        [clip.clip_id, clip.split, sorted(clip.labels), clip.captions, clip.targets]
        for clip in sorted(clips, key=lambda clip: clip.clip_id)
    ]
    return hashlib.sha256(json.dumps([rows, sorted(names)], separators=(",", ":")).encode()).hexdigest()[:12]


def share(name: str) -> float:
    """A number in [0, 1) that belongs to a name: those under 0.1 are a tenth of all, the same ones everywhere."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) / 16**12


def drawn_split(name: str) -> str:
    """train, valid or test (70/10/20) by a name: by an artist's, so that no artist is in two splits."""
    place = share(name)
    return "test" if place < _TEST else "valid" if place < _TEST + _VALID else "train"
