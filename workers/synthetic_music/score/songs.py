"""Songs: styles in which a seed has chosen key, scale, chords and tempo."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from workers.synthetic_music.score.harmony import Harmony, chord
from workers.synthetic_music.score.instruments import INSTRUMENTS, Instrument
from workers.synthetic_music.score.notes import SOFT, TEXTURES, Note
from workers.synthetic_music.score.style import Style

TIMING_DEVIATION = 0.006  # seconds by which a player is early or late


@dataclass(frozen=True, slots=True)
class Part:
    """An instrument and its notes, in seconds."""

    instrument: Instrument
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Song:
    """A style in a key at a tempo. The same style and seed give the same song on any machine."""

    style: Style
    seed: int
    tonic: int
    scale: str
    chords: str
    bpm: int

    @classmethod
    def compose(cls, style: Style, seed: int) -> "Song":
        """Return the song of a style and a seed."""
        rng = np.random.default_rng(seed)
        scale, chords = style.modes[int(rng.integers(len(style.modes)))]
        low, high = style.bpm
        return cls(style, seed, int(rng.integers(12)), scale, chords, int(rng.integers(low, high + 1)))

    @property
    def tempo(self) -> str:
        """The word for the tempo."""
        return "slow" if self.bpm < 85 else "mid-tempo" if self.bpm < 120 else "fast"

    @property
    def is_minor(self) -> bool:
        """Whether the first chord is minor, by which listeners name the key."""
        return self.chords[0] == "i"

    @property
    def programs(self) -> tuple[int, ...]:
        """The distinct General MIDI programs, in the order of the lines."""
        return tuple(dict.fromkeys(INSTRUMENTS[line.instrument].program for line in self.style.lines))

    def play(self, seconds: float) -> list[Part]:
        """Return the parts, cut at `seconds`."""
        beat = 60 / self.bpm
        bars = math.ceil(seconds / (beat * self.style.beats))
        chords = tuple(chord(symbol) for symbol in self.chords.split())
        harmony = Harmony(self.tonic, self.scale, chords, self.style.beats, bars)
        return [self._part(index, harmony, beat, seconds) for index in range(len(self.style.lines))]

    def _part(self, index: int, harmony: Harmony, beat: float, seconds: float) -> Part:
        line = self.style.lines[index]
        instrument = INSTRUMENTS[line.instrument]
        rng = np.random.default_rng((self.seed, index))
        notes = TEXTURES[line.texture](rng, harmony, instrument, line.pattern)
        return Part(instrument, humanise(rng, notes, beat, seconds, line.velocity))


def humanise(rng: Generator, notes: list[Note], beat: float, seconds: float, velocity: int = SOFT) -> tuple[Note, ...]:
    """Return notes in seconds as a person plays them, cut at `seconds`.

    Times and velocities vary a little. `notes` are in beats, `beat` is a beat's length in seconds, `velocity` the
    player's usual one.
    """
    delays = rng.normal(0.0, TIMING_DEVIATION, len(notes))
    accents = rng.integers(-6, 7, len(notes))
    played = []
    for note, delay, accent in zip(notes, delays, accents, strict=True):
        start = max(0.0, note.start * beat + float(delay))
        note_velocity = note.velocity * velocity // SOFT + int(accent)
        if start < seconds - 0.05 and note_velocity:
            length = min(note.length * beat, seconds - start)
            played.append(Note(start, length, note.pitch, min(127, max(1, note_velocity))))
    return tuple(played)
