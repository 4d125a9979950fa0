"""The textures of a part: melody, accompaniment, pads, inner voices, walking bass, drums.

A texture is a function (generator, harmony, instrument, pattern) -> notes, in beats. A pattern is a bar in equal
steps: `x` a stroke, `X` a loud one, a digit a chord degree, `-` sustained, `.` silent. Equal seeds give equal notes.
"""

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from workers.synthetic_music.score.drums import KEYS, RHYTHMS
from workers.synthetic_music.score.harmony import Harmony
from workers.synthetic_music.score.instruments import Instrument

SOFT, LOUD = 80, 100
FORM = "AABCAABD"  # the bars of a melody: two motifs; the second phrase answers the first


@dataclass(frozen=True, slots=True)
class Note:
    """One note; `start`, from the beginning of the piece, and `length` are in beats."""

    start: float
    length: float
    pitch: int
    velocity: int = SOFT


def strokes(pattern: str, beats: int) -> list[tuple[float, float, str]]:
    """Return (start, length, sign) of every stroke of a bar; times are in beats."""
    step = beats / len(pattern)
    result = []
    for index, sign in enumerate(pattern):
        if sign not in "-.":
            rest = pattern[index + 1 :]
            sustained = len(rest) - len(rest.lstrip("-"))
            result.append((index * step, (sustained + 1) * step, sign))
    return result


def melody(rng: Generator, harmony: Harmony, instrument: Instrument, cells: str) -> list[Note]:
    """Play two motifs and a cadence, transposed to each bar's chord.

    `cells` are rhythms of one beat, separated by spaces.
    """
    low, high = instrument.upper
    ladder = harmony.ladder(low, high)
    motifs = {name: motif(rng, harmony.beats, cells.split()) for name in "AB"}
    motifs |= {name: ("x" + "-" * (4 * harmony.beats - 3) + "..", [0]) for name in "CD"}
    pitch, notes = (low + high) // 2, []
    for bar in range(harmony.bars):
        rhythm, contour = motifs[FORM[bar % len(FORM)]]
        tones = harmony.chord_ladder(bar, low, high)
        anchor = nearest(ladder, nearest(tones, pitch))
        for (start, length, _), step in zip(strokes(rhythm, harmony.beats), contour, strict=True):
            pitch = ladder[mirror(ladder.index(anchor) + step, len(ladder))]
            notes.append(Note(bar * harmony.beats + start, length * 0.95, pitch, LOUD if start == 0 else SOFT))
        pitch = (2 * pitch + (low + high) // 2) // 3  # back towards the middle of the range
    return notes


def motif(rng: Generator, beats: int, cells: list[str]) -> tuple[str, list[int]]:
    """Return a bar's rhythm and its contour in steps of the scale.

    The bar always begins with a stroke.
    """
    chosen = [cells[int(rng.integers(len(cells)))] for _ in range(beats)]
    if not chosen[0].startswith("x"):
        chosen[0] = next(cell for cell in cells if cell.startswith("x"))
    rhythm = "".join(chosen)
    moves = [(-2, -1, -1, 1, 1, 2, 3)[int(rng.integers(7))] for _ in range(rhythm.count("x") - 1)]
    return rhythm, [0, *(sum(moves[: index + 1]) for index in range(len(moves)))]


def nearest(pitches: list[int], target: int) -> int:
    """Return the pitch closest to the target, the lower of two."""
    return min(pitches, key=lambda pitch: (abs(pitch - target), pitch))


def mirror(index: int, count: int) -> int:
    """Reflect an index at both ends of a ladder of `count` pitches."""
    index %= 2 * count - 2
    return min(index, 2 * count - 2 - index)


def comp(_: Generator, harmony: Harmony, instrument: Instrument, pattern: str) -> list[Note]:
    """Accompany: a digit plays that degree in the bass, a stroke the chord above."""
    low, high = instrument.lower
    notes = []
    for bar in range(harmony.bars):
        chord = harmony.voicing(bar, min(low + 10, high - 12), high)
        for start, length, sign in strokes(pattern, harmony.beats):
            pitches = [harmony.degree(bar, sign, low, high)] if sign.isdigit() else chord
            velocity = LOUD if sign in "X1" else SOFT
            notes += [Note(bar * harmony.beats + start, length * 0.95, pitch, velocity) for pitch in pitches]
    return notes


def strum(rng: Generator, harmony: Harmony, instrument: Instrument, pattern: str) -> list[Note]:
    """Strum chords string by string, down on the beat and up off the beat."""
    notes = []
    for bar in range(harmony.bars):
        chord = harmony.voicing(bar, *instrument.lower, size=5)
        for start, length, sign in strokes(pattern, harmony.beats):
            order = chord if start % 1 == 0 else chord[::-1]
            spread = float(rng.uniform(0.015, 0.03))
            velocity = LOUD if sign == "X" else SOFT
            notes += [
                Note(bar * harmony.beats + start + spread * index, length, pitch, velocity)
                for index, pitch in enumerate(order)
            ]
    return notes


def power(_: Generator, harmony: Harmony, instrument: Instrument, pattern: str) -> list[Note]:
    """Play power chords in the low register: loud strokes ring, others are short."""
    return [
        Note(bar * harmony.beats + start, length * (0.95 if sign == "X" else 0.5), root + interval, LOUD)
        for bar in range(harmony.bars)
        for root in (harmony.root(bar, instrument.low),)
        for start, length, sign in strokes(pattern, harmony.beats)
        for interval in (0, 7, 12)
    ]


def sweep(_: Generator, harmony: Harmony, instrument: Instrument, pattern: str) -> list[Note]:
    """Play arpeggios over the whole range, up in one bar and down in the next.

    Each note rings on.
    """
    notes = []
    for bar in range(harmony.bars):
        ladder = harmony.chord_ladder(bar, instrument.low, instrument.high)
        ladder = ladder if bar % 2 == 0 else ladder[::-1]
        for index, (start, length, _sign) in enumerate(strokes(pattern, harmony.beats)):
            pitch = ladder[mirror(index, len(ladder))]
            notes.append(Note(bar * harmony.beats + start, length * 4, pitch, LOUD if start % 1 == 0 else SOFT))
    return notes


def pad(_: Generator, harmony: Harmony, instrument: Instrument, pattern: str) -> list[Note]:
    """Sustain chords; every bar strikes its chord again, so that decaying sounds stay audible."""
    return [
        Note(bar * harmony.beats + start, length, pitch, SOFT)
        for bar in range(harmony.bars)
        for start, length, _sign in strokes(pattern, harmony.beats)
        for pitch in harmony.voicing(bar, instrument.low, instrument.high)
    ]


def voice(_: Generator, harmony: Harmony, instrument: Instrument, pattern: str) -> list[Note]:
    """Move an inner voice in small steps, to the closest tone of each chord."""
    pitch, notes = (instrument.low + instrument.high) // 2, []
    for bar in range(harmony.bars):
        pitch = nearest(harmony.chord_ladder(bar, instrument.low, instrument.high), pitch)
        for start, length, _sign in strokes(pattern, harmony.beats):
            notes.append(Note(bar * harmony.beats + start, length, pitch, SOFT))
    return notes


def walking(rng: Generator, harmony: Harmony, instrument: Instrument, _: str) -> list[Note]:
    """Walk the bass: root, chord tones, and a semitone step to the next root."""
    notes = []
    for bar in range(harmony.bars):
        tones = harmony.chord_ladder(bar, instrument.low, instrument.high - 6)
        target = harmony.root(bar + 1, instrument.low + 1)
        middle = [tones[int(rng.integers(len(tones)))] for _ in range(harmony.beats - 2)]
        line = [harmony.root(bar, instrument.low + 1), *middle, target + (1 if rng.random() < 0.5 else -1)]
        notes += [Note(bar * harmony.beats + beat, 0.9, pitch, LOUD) for beat, pitch in enumerate(line)]
    return notes


def drone(_: Generator, harmony: Harmony, instrument: Instrument, pattern: str) -> list[Note]:
    """Sustain the tonic and its fifth, independent of the chords."""
    tonic = instrument.low + (harmony.tonic - instrument.low) % 12
    pitches = [pitch for pitch in (tonic, tonic + 7) if pitch <= instrument.high]
    return [
        Note(bar * harmony.beats + start, length, pitch, SOFT - 15)
        for bar in range(harmony.bars)
        for start, length, _sign in strokes(pattern, harmony.beats)
        for pitch in pitches
    ]


def drums(rng: Generator, harmony: Harmony, instrument: Instrument, rhythms: str) -> list[Note]:
    """Play named rhythms of `drums.RHYTHMS`, four bars of each in turn.

    A drum kit plays a fill at the end of every fourth bar.
    """
    names, notes = rhythms.split(" | "), []
    for bar in range(harmony.bars):
        fill = bar % 4 == 3 and "snare" in RHYTHMS[names[0]]
        for drum, pattern in RHYTHMS[names[bar // 4 % len(names)]].items():
            for start, length, sign in strokes(pattern, harmony.beats):
                if not (fill and start >= harmony.beats - 1):
                    velocity = LOUD if sign == "X" else SOFT
                    notes.append(Note(bar * harmony.beats + start, length, KEYS[drum], velocity))
        if fill:
            toms = [key for key in (38, 48, 45, 43) if key in instrument.keys]
            for step in range(4):
                key = toms[step if rng.random() < 0.7 else 0]
                notes.append(Note((bar + 1) * harmony.beats - 1 + step / 4, 0.25, key, LOUD))
    return notes


Texture = Callable[[Generator, Harmony, Instrument, str], list[Note]]
TEXTURES: dict[str, Texture] = {
    texture.__name__: texture for texture in (melody, comp, strum, power, sweep, pad, voice, walking, drone, drums)
}
