import hashlib

import numpy as np
import pytest

from workers.synthetic_music.demo.catalogue import kinds
from workers.synthetic_music.demo.synthesis import record_pitches, soundfont_path
from workers.synthetic_music.score.drums import KEYS, RHYTHMS
from workers.synthetic_music.score.harmony import Harmony, chord
from workers.synthetic_music.score.instruments import INSTRUMENTS
from workers.synthetic_music.score.notes import TEXTURES, Note, mirror, motif, strokes
from workers.synthetic_music.score.songs import Song


def test_equal_seeds_give_equal_notes_everywhere():
    """Compare with the digest of all kinds when this test was written: pitches and milliseconds."""
    digest = hashlib.sha256()
    for seed, style in enumerate(kinds()):
        for part in Song.compose(style, seed).play(10):
            digest.update(repr([(round(note.start * 1000), note.pitch) for note in part.notes]).encode())
    assert digest.hexdigest()[:12] == "d07e3a990c9b"


@pytest.mark.parametrize("style", kinds(), ids=lambda style: style.name)
@pytest.mark.parametrize("seed", [1, 2])
def test_parts_stay_in_their_range_and_time(style, seed):
    song = Song.compose(style, seed)
    assert style.bpm[0] <= song.bpm <= style.bpm[1]
    for part in song.play(12):
        allowed = part.instrument.keys or range(part.instrument.low, part.instrument.high + 1)
        assert {note.pitch for note in part.notes} <= set(allowed)
        assert all(0 <= note.start < note.start + note.length <= 12 for note in part.notes)
        assert all(1 <= note.velocity <= 127 for note in part.notes)


@pytest.mark.parametrize("instrument", INSTRUMENTS.values(), ids=lambda instrument: instrument.name)
def test_every_pitch_of_an_instrument_sounds_and_is_sane(instrument):
    """symusic misreads some samples of this soundfont (programs 65 and 78): they are silent or enormous."""
    pitches = instrument.keys or range(instrument.low, instrument.high + 1)
    for pitch, recording in record_pitches(instrument, dict.fromkeys(pitches, 1.0), soundfont_path()).items():
        assert 1e-3 < np.abs(recording).max() < 1.5, pitch


@pytest.mark.parametrize("style", kinds(), ids=lambda style: style.name)
def test_styles_name_existing_textures_and_instruments(style):
    for line in style.lines:
        assert line.texture in TEXTURES
        assert line.instrument in INSTRUMENTS
        if line.texture == "drums":
            keys = {KEYS[drum] for name in line.pattern.split(" | ") for drum in RHYTHMS[name]}
            assert keys <= set(INSTRUMENTS[line.instrument].keys)


def test_strokes_read_a_pattern():
    assert strokes("X-.1", 4) == [(0.0, 2.0, "X"), (3.0, 1.0, "1")]


def test_mirror_reflects_at_both_ends():
    assert [mirror(index, 3) for index in range(-2, 6)] == [2, 1, 0, 1, 2, 1, 0, 1]


@pytest.mark.parametrize(
    ("symbol", "tones"), [("I", (0, 4, 7)), ("ii7", (2, 5, 9, 12)), ("bVII", (10, 14, 17)), ("viio", (11, 14, 17))]
)
def test_chord_symbols(symbol, tones):
    assert chord(symbol) == tones


def test_unknown_chord_symbol():
    with pytest.raises(ValueError, match="no chord"):
        chord("H7")


def test_a_melody_repeats_its_motif():
    """Bars 1 and 2 of the form share a rhythm."""
    harmony = Harmony(0, "major", (chord("I"),), 4, 8)
    notes = TEXTURES["melody"](np.random.default_rng(3), harmony, INSTRUMENTS["flute"], "x-x- xxxx x---")
    bars: list[list[Note]] = [[note for note in notes if note.start // 4 == bar] for bar in range(2)]
    assert [note.start % 4 for note in bars[0]] == [note.start % 4 for note in bars[1]]


def test_a_motif_begins_with_a_stroke_even_if_most_cells_do_not():
    for seed in range(50):
        rhythm, contour = motif(np.random.default_rng(seed), 3, ["----", "x---", ".--x"])
        assert rhythm.startswith("x")
        assert len(contour) == rhythm.count("x")
