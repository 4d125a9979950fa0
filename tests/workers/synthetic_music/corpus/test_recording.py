"""Recordings: training clips by either synthesizer, the others by one."""

from dataclasses import replace

import numpy as np
import pytest

from workers.synthetic_music.corpus import sound
from workers.synthetic_music.corpus.patterns import Pattern
from workers.synthetic_music.corpus.pieces import compose_pieces
from workers.synthetic_music.corpus.players import Player
from workers.synthetic_music.corpus.recording import STRUCK, Recording
from workers.synthetic_music.corpus.sound import RATE, Soundfont, render_piece
from workers.synthetic_music.corpus.voices import VOICES
from workers.synthetic_music.demo.synthesis import soundfont_path


@pytest.fixture(scope="module")
def font():
    return Soundfont(soundfont_path(), soundfont_path().read_bytes())


def make_piece(voice, pattern="1---------------", texture="comp"):
    return replace(
        compose_pieces(20, 0)[0], players=(Player(VOICES[voice], texture, Pattern("-", pattern), 0.0),), bpm=60
    )


def render_samples(monkeypatch, font, piece, half_life):
    """Render in mono with the synthesizer without envelopes."""
    monkeypatch.setattr(sound.Recording, "draw", lambda _: Recording(True, (half_life,)))
    return render_piece(piece, 4, font).mean(axis=1)


def test_a_piece_is_recorded_in_one_way_and_pieces_in_two():
    train = [piece for piece in compose_pieces(400, 0) if piece.split == "train"]
    recordings = [Recording.draw(piece) for piece in train]
    assert recordings == [Recording.draw(piece) for piece in train]
    assert 0.4 < np.mean([recording.sampled for recording in recordings]) < 0.6
    for recording, piece in zip(recordings, train, strict=True):
        is_sustained = [player.voice.manner not in STRUCK for player in piece.players]
        assert [life is None for life in recording.half_lives] == is_sustained
        assert all(0.17 < life < 4.01 for life in recording.half_lives if life)


def test_struck_sounds_decay_by_their_half_lives(monkeypatch, font):
    sustained, struck = (render_samples(monkeypatch, font, make_piece("church organ"), half) for half in (None, 0.3))
    early, late = slice(RATE // 2, RATE), slice(3 * RATE // 2, 2 * RATE)
    assert np.abs(sustained[late]).max() > 0.5 * np.abs(sustained[early]).max()
    assert np.abs(struck[late]).max() < 0.3 * np.abs(struck[early]).max()


@pytest.mark.parametrize("voice", ["drum kit", "triangle", "violin", "synth bass", "applause"])
def test_every_kind_of_voice_sounds_from_samples_alone(monkeypatch, font, voice):
    texture = {"kit": "drums", "taps": "taps"}.get(VOICES[voice].manner, "comp")
    pattern = {"drums": "X...X... ....X... hx.x.x.x.", "taps": "1.2.1.2.", "comp": "1.3.5.8."}[texture]
    samples = render_samples(monkeypatch, font, make_piece(voice, pattern, texture), 1.0)
    assert (len(samples), np.isfinite(samples).all()) == (4 * RATE, True)
    assert np.abs(samples).max() > 0.01


def test_only_training_clips_use_the_other_synthesizer(monkeypatch, font):
    monkeypatch.setattr(sound.Recording, "draw", lambda _: pytest.fail("not for this split"))
    for split in ("valid", "test"):
        piece = next(piece for piece in compose_pieces(20, 0) if piece.split == split)
        assert np.abs(render_piece(piece, 2, font)).max() > 0.3
