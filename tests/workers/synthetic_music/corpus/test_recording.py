"""Who plays: each player of a clip gets a source that has its voice."""

from collections import Counter
from dataclasses import replace

import pytest

from schemas.errors import UserError
from workers.synthetic_music.corpus.pieces import Piece, compose_pieces
from workers.synthetic_music.corpus.recording import COMPUTED_SHARE, draw_sources
from workers.synthetic_music.score.voices import VOICES
from workers.synthetic_music.sources.base import SourceRegistration
from workers.synthetic_music.sources.registry import SOURCES, sources_of_splits

PIECES = [piece for piece in compose_pieces(400, 0) if piece.split == "train"]
FLUTES = SourceRegistration("flutes", "-", "MIT", frozenset({"flute"}), (), lambda _: None)
ALL = SourceRegistration("all", "someone", "MIT", frozenset(VOICES), (), lambda _: None)


def test_players_get_sources_that_have_their_voices():
    sources = [SOURCES[name] for name in sources_of_splits()["train"]]
    drawn = [draw_sources(piece, sources) for piece in PIECES]
    assert drawn == [draw_sources(piece, sources) for piece in PIECES]
    for piece, names in zip(PIECES, drawn, strict=True):
        assert all(
            player.voice.name in SOURCES[name].voices for player, name in zip(piece.players, names, strict=True)
        )
    assert {name for names in drawn for name in names} == {source.name for source in sources}


def _flute_solos() -> list[Piece]:
    flute = next(player for piece in PIECES for player in piece.players if player.voice.name == "flute")
    return [replace(piece, players=(flute,)) for piece in PIECES]


def test_recordings_have_equal_chances():
    solos, second = _flute_solos(), replace(ALL, name="the same samples by another synthesizer")
    counts = Counter(draw_sources(piece, [FLUTES, ALL, second])[0] for piece in solos)
    assert 0.4 < counts["flutes"] / len(solos) < 0.6
    assert min(counts.values()) > 0.15 * len(solos)


def test_one_player_in_five_gets_a_computed_source():
    solos = _flute_solos()
    computed = replace(ALL, name="computed", is_computed=True)
    counts = Counter(draw_sources(piece, [FLUTES, ALL, computed])[0] for piece in solos)
    assert abs(counts["computed"] / len(solos) - COMPUTED_SHARE) < 0.07
    assert {draw_sources(piece, [computed])[0] for piece in solos} == {"computed"}


def test_a_voice_that_no_source_has_is_named():
    piece = next(piece for piece in PIECES if piece.players[0].voice.name != "flute")
    with pytest.raises(UserError, match="no source of sound plays"):
        draw_sources(piece, [FLUTES])
