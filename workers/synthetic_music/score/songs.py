"""A song is a style with its choices made by a seed: key, scale, chords and tempo; played, it is notes in seconds."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from workers.synthetic_music.demo.styles import Style
from workers.synthetic_music.score.harmony import Harmony, chord
from workers.synthetic_music.score.instruments import INSTRUMENTS, Instrument
from workers.synthetic_music.score.notes import SOFT, TEXTURES, Note

HUMAN = 0.006  # seconds by which a player is early or late


@dataclass(frozen=True, slots=True)
class Part:
    """What one player plays: an instrument and its notes, here in seconds."""

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
    def of(cls, style: Style, seed: int) -> "Song":
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
        """Whether the first chord has a minor third: that is how a listener names the key."""
        return self.chords[0] == "i"

    @property
    def programs(self) -> tuple[int, ...]:
        """The programs that play, in the order of the lines, each once."""
        return tuple(dict.fromkeys(INSTRUMENTS[line.instrument].program for line in self.style.lines))

    def play(self, seconds: float) -> list[Part]:
        """The parts, cut at `seconds`."""
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
        return Part(instrument, in_seconds(rng, notes, beat, seconds, line.velocity))


def in_seconds(
    rng: Generator, notes: list[Note], beat: float, seconds: float, velocity: int = SOFT
) -> tuple[Note, ...]:
    """Notes as a person plays them, cut at `seconds`; `beat` is one beat's length, `velocity` is the player's."""
    late = rng.normal(0.0, HUMAN, len(notes))
    extras = rng.integers(-6, 7, len(notes))
    return tuple(
        Note(start, min(note.length * beat, seconds - start), note.pitch, min(127, max(1, struck)))
        for note, shift, extra in zip(notes, late, extras, strict=True)
        if (start := max(0.0, note.start * beat + float(shift))) < seconds - 0.05
        if (struck := note.velocity * velocity // SOFT + int(extra))
    )
