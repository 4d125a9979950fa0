"""A kind of music as data: its players, tempo, chords and labels."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One player: an instrument, a texture of `notes.TEXTURES`, a pattern and a velocity."""

    instrument: str
    texture: str
    pattern: str = "x---------------"
    velocity: int = 85


@dataclass(frozen=True, slots=True)
class Style:
    """A kind of music and its labels; a solo is a style of one instrument.

    `bpm` is a range. `modes` are (scale, chords of one bar each). In `sentence`, {tempo} is slow, mid-tempo or fast.
    """

    name: str
    bpm: tuple[int, int]
    modes: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    genres: tuple[str, ...]
    tags: tuple[str, ...]
    sentence: str
    beats: int = 4
