"""The players of a piece: voice, texture, pattern and level, and their notes."""

from collections.abc import Iterable
from dataclasses import dataclass

from numpy.random import Generator

from workers.synthetic_music.corpus.patterns import Pattern
from workers.synthetic_music.score.drums import KEYS
from workers.synthetic_music.score.harmony import Harmony
from workers.synthetic_music.score.notes import LOUD, SOFT, TEXTURES, Note, strokes
from workers.synthetic_music.score.voices import Voice

# The level of a texture in the mix, in dB relative to a melody.
LEVELS = {"melody": 0.0, "power": -2.0, "comp": -5.0, "strum": -5.0, "sweep": -5.0, "voice": -6.0, "walking": -3.0}
LEVELS |= {"pad": -8.0, "drone": -6.0, "drums": -2.0, "taps": -3.0}
CYMBALS = {"h": "hat", "o": "open hat", "r": "ride", "c": "crash"}


@dataclass(frozen=True, slots=True)
class Player:
    """One part of a piece; `level` is in dB."""

    voice: Voice
    texture: str
    pattern: Pattern
    level: float

    def notes(self, rng: Generator, harmony: Harmony) -> list[Note]:
        """Return the notes of the part, in beats."""
        if self.texture == "drums":
            return list(_drum_notes(harmony, self.pattern.text))
        if self.texture == "taps":
            return list(_tap_notes(harmony, self.voice.instrument.keys, self.pattern.text))
        return TEXTURES[self.texture](rng, harmony, self.voice.instrument, self.pattern.text)


def _drum_notes(harmony: Harmony, rhythm: str) -> Iterable[Note]:
    """Yield a rhythm "kick snare cymbal" in every bar.

    The first letter of the cymbal's pattern names the cymbal.
    """
    kick, snare, top = rhythm.split()
    lines = (("kick", kick), ("snare", snare), (CYMBALS[top[0]], top[1:]))
    for bar in range(harmony.bars):
        for drum, pattern in lines:
            for start, length, sign in strokes(pattern, harmony.beats):
                yield Note(bar * harmony.beats + start, length, KEYS[drum], LOUD if sign == "X" else SOFT)


def _tap_notes(harmony: Harmony, keys: tuple[int, ...], pattern: str) -> Iterable[Note]:
    """Yield the digits of a pattern as keys of the instrument, repeated in turn.

    Strokes on the beat are louder.
    """
    for bar in range(harmony.bars):
        for start, length, digit in strokes(pattern, harmony.beats):
            key = keys[(int(digit) - 1) % len(keys)]
            yield Note(bar * harmony.beats + start, length, key, LOUD if start % 1 == 0 else SOFT)
