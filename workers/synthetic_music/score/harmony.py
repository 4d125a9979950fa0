"""Scales, chord symbols in roman numerals, and the harmony that all parts share."""

import re
from dataclasses import dataclass

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "bhairav": (0, 1, 4, 5, 7, 8, 11),
    "hirajoshi": (0, 2, 3, 7, 8),
}
NUMERALS = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}
UPPER = {"": (0, 4, 7), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "6": (0, 4, 7, 9), "sus": (0, 5, 7)}
LOWER = {"": (0, 3, 7), "7": (0, 3, 7, 10), "o": (0, 3, 6), "o7": (0, 3, 6, 10)}
# The digits of a pattern: (chord tone, octaves up). 9 and 0 are the third and fifth above the octave.
DEGREES = {"1": (0, 0), "3": (1, 0), "5": (2, 0), "7": (-1, 0), "8": (0, 1), "9": (1, 1), "0": (2, 1)}


def chord(symbol: str) -> tuple[int, ...]:
    """Return a chord's semitones above the tonic, root first.

    Symbols are such as `ii7`, `bVII` or `Imaj7`. Raises ValueError for any other text.
    """
    match = re.fullmatch(r"(b?)([iv]+|[IV]+)(.*)", symbol)
    if not match:
        raise ValueError(f"no chord is written {symbol!r}")
    flat, numeral, quality = match.groups()
    root = (NUMERALS[numeral.lower()] - len(flat)) % 12
    tones = (UPPER if numeral.isupper() else LOWER)[quality]
    return tuple(root + tone for tone in tones)


@dataclass(frozen=True, slots=True)
class Harmony:
    """The key, the chords and the length of a piece.

    Each bar has one chord; the chords repeat.
    """

    tonic: int
    scale: str
    chords: tuple[tuple[int, ...], ...]
    beats: int
    bars: int

    def ladder(self, low: int, high: int) -> list[int]:
        """Return the pitches of the scale from low to high."""
        tones = {(self.tonic + tone) % 12 for tone in SCALES[self.scale]}
        return [pitch for pitch in range(low, high + 1) if pitch % 12 in tones]

    def chord_ladder(self, bar: int, low: int, high: int) -> list[int]:
        """Return the pitches of the bar's chord from low to high."""
        tones = {(self.tonic + tone) % 12 for tone in self.chords[bar % len(self.chords)]}
        return [pitch for pitch in range(low, high + 1) if pitch % 12 in tones]

    def root(self, bar: int, low: int) -> int:
        """Return the lowest root of the bar's chord that is not below `low`."""
        return low + (self.tonic + self.chords[bar % len(self.chords)][0] - low) % 12

    def degree(self, bar: int, digit: str, low: int, high: int) -> int:
        """Return the pitch of a pattern's digit above the lowest root.

        A pitch above the range moves down by octaves.
        """
        tones = self.chords[bar % len(self.chords)]
        index, octave = DEGREES[digit]
        pitch = self.root(bar, low) + tones[index] - tones[0] + 12 * octave
        while pitch > high:
            pitch -= 12
        return pitch

    def voicing(self, bar: int, low: int, high: int, size: int = 4) -> list[int]:
        """Return a close chord of `size` tones around the middle of the range.

        The inversion follows from the range, so voices move little between chords.
        """
        ladder = self.chord_ladder(bar, low, high)
        middle = (low + high) / 2
        return sorted(sorted(ladder, key=lambda pitch: (abs(pitch - middle), pitch))[:size])
