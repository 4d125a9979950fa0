"""Who plays: each player of a clip gets a source that has its voice."""

from collections import Counter
from dataclasses import replace

import pytest

from schemas.errors import UserError
from workers.synthetic_music.corpus.pieces import compose_pieces
from workers.synthetic_music.corpus.recording import draw_sources
from workers.synthetic_music.score.voices import VOICES
from workers.synthetic_music.sources.base import SourceRegistration
from workers.synthetic_music.sources.registry import SOURCES, sources_of_splits

PIECES = [piece for piece in compose_pieces(400, 0) if piece.split == "train"]
FLUTES = SourceRegistration("flutes", "-", "MIT", frozenset({"flute"}), (), lambda _: None)
ALL = SourceRegistration("all", "-", "MIT", frozenset(VOICES), (), lambda _: None)


def test_players_get_sources_that_have_their_voices():
    sources = [SOURCES[name] for name in sources_of_splits()["train"]]
    drawn = [draw_sources(piece, sources) for piece in PIECES]
    assert drawn == [draw_sources(piece, sources) for piece in PIECES]
    for piece, names in zip(PIECES, drawn, strict=True):
        assert all(
            player.voice.name in SOURCES[name].voices for player, name in zip(piece.players, names, strict=True)
        )
    assert {name for names in drawn for name in names} == {source.name for source in sources}


def test_sources_have_equal_chances():
    flute = next(player for piece in PIECES for player in piece.players if player.voice.name == "flute")
    solos = [replace(piece, players=(flute,)) for piece in PIECES]
    counts = Counter(draw_sources(piece, [FLUTES, ALL])[0] for piece in solos)
    assert 0.4 < counts["flutes"] / len(solos) < 0.6


def test_a_voice_that_no_source_has_is_named():
    piece = next(piece for piece in PIECES if piece.players[0].voice.name != "flute")
    with pytest.raises(UserError, match="no source of sound plays"):
        draw_sources(piece, [FLUTES])
