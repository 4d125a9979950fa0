"""Clips of training are recorded by either synthesizer, the others by one."""

from dataclasses import replace

import numpy as np
import pytest

from workers.synthetic_music.corpus import sound
from workers.synthetic_music.corpus.patterns import Pattern
from workers.synthetic_music.corpus.pieces import pieces
from workers.synthetic_music.corpus.players import Player
from workers.synthetic_music.corpus.recording import STRUCK, Recording
from workers.synthetic_music.corpus.sound import RATE, Sounds, render
from workers.synthetic_music.corpus.voices import VOICES
from workers.synthetic_music.demo.synthesis import soundfont


@pytest.fixture(scope="module")
def font():
    return Sounds(soundfont(), soundfont().read_bytes())


def piece(voice, pattern="1---------------", texture="comp"):
    return replace(pieces(20, 0)[0], players=(Player(VOICES[voice], texture, Pattern("-", pattern), 0.0),), bpm=60)


def recorded(monkeypatch, font, asked, half_life):
    """Mono, by samples alone."""
    monkeypatch.setattr(sound.Recording, "drawn", lambda _: Recording(True, (half_life,)))
    return render(asked, 4, font).mean(axis=1)


def test_a_piece_is_recorded_in_one_way_and_pieces_in_two():
    train = [one for one in pieces(400, 0) if one.split == "train"]
    drawn = [Recording.drawn(one) for one in train]
    assert drawn == [Recording.drawn(one) for one in train]
    assert 0.4 < np.mean([one.sampled for one in drawn]) < 0.6
    for one, each in zip(drawn, train, strict=True):
        held = [player.voice.manner not in STRUCK for player in each.players]
        assert [life is None for life in one.half_lives] == held
        assert all(0.17 < life < 4.01 for life in one.half_lives if life)


def test_half_lives_fade_what_was_struck(monkeypatch, font):
    held, struck = (recorded(monkeypatch, font, piece("church organ"), half) for half in (None, 0.3))
    early, late = slice(RATE // 2, RATE), slice(3 * RATE // 2, 2 * RATE)
    assert np.abs(held[late]).max() > 0.5 * np.abs(held[early]).max()
    assert np.abs(struck[late]).max() < 0.3 * np.abs(struck[early]).max()


@pytest.mark.parametrize("voice", ["drum kit", "triangle", "violin", "synth bass", "applause"])
def test_samples_alone_sound(monkeypatch, font, voice):
    texture = {"kit": "drums", "taps": "taps"}.get(VOICES[voice].manner, "comp")
    pattern = {"drums": "X...X... ....X... hx.x.x.x.", "taps": "1.2.1.2.", "comp": "1.3.5.8."}[texture]
    heard = recorded(monkeypatch, font, piece(voice, pattern, texture), 1.0)
    assert (len(heard), np.isfinite(heard).all()) == (4 * RATE, True)
    assert np.abs(heard).max() > 0.01


def test_only_training_is_recorded_otherwise(monkeypatch, font):
    monkeypatch.setattr(sound.Recording, "drawn", lambda _: pytest.fail("not for this split"))
    for split in ("valid", "test"):
        one = next(one for one in pieces(20, 0) if one.split == split)
        assert np.abs(render(one, 2, font)).max() > 0.3
