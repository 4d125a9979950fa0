"""What one player does: a voice, a texture, a pattern and a level; and the notes that come of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from numpy.random import Generator

from workers.synthetic_music.corpus.patterns import Pattern
from workers.synthetic_music.corpus.voices import Voice
from workers.synthetic_music.score.drums import KEYS
from workers.synthetic_music.score.harmony import Harmony
from workers.synthetic_music.score.notes import LOUD, SOFT, TEXTURES, Note, strokes

# How loud a texture stands in the mix, in dB under a melody.
LEVELS = {"melody": 0.0, "power": -2.0, "comp": -5.0, "strum": -5.0, "sweep": -5.0, "voice": -6.0, "walking": -3.0}
LEVELS |= {"pad": -8.0, "drone": -6.0, "drums": -2.0, "taps": -3.0}
CYMBALS = {"h": "hat", "o": "open hat", "r": "ride", "c": "crash"}


@dataclass(frozen=True, slots=True)
class Player:
    """One part of a piece before it is played; `level` is in dB."""

    voice: Voice
    texture: str
    pattern: Pattern
    level: float

    def notes(self, rng: Generator, harmony: Harmony) -> list[Note]:
        """The part in beats."""
        if self.texture == "drums":
            return list(_drums(harmony, self.pattern.text))
        if self.texture == "taps":
            return list(_taps(harmony, self.voice.instrument.keys, self.pattern.text))
        return TEXTURES[self.texture](rng, harmony, self.voice.instrument, self.pattern.text)


def _drums(harmony: Harmony, rhythm: str) -> Iterable[Note]:
    """A rhythm "kick snare cymbal" in every bar; the cymbal's first letter names it."""
    kick, snare, top = rhythm.split()
    lines = (("kick", kick), ("snare", snare), (CYMBALS[top[0]], top[1:]))
    for bar in range(harmony.bars):
        for drum, pattern in lines:
            for start, length, sign in strokes(pattern, harmony.beats):
                yield Note(bar * harmony.beats + start, length, KEYS[drum], LOUD if sign == "X" else SOFT)


def _taps(harmony: Harmony, keys: tuple[int, ...], pattern: str) -> Iterable[Note]:
    """The digits of a pattern on the instrument's keys, in a round; strokes on the beat are louder."""
    for bar in range(harmony.bars):
        for start, length, digit in strokes(pattern, harmony.beats):
            key = keys[(int(digit) - 1) % len(keys)]
            yield Note(bar * harmony.beats + start, length, key, LOUD if start % 1 == 0 else SOFT)
