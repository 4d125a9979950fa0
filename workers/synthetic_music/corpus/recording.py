"""Who plays a clip: each player gets a source of sound.

A source has one recording of an instrument and plays it in one way. A model that is trained on one source learns that
source, not the instrument. Effects on one source (other formants, equalisers, noise, saturation) were tried too: they
gained nothing in another soundfont, and words that training never saw were recognised less well (docs/training.md).
"""

from collections.abc import Sequence

import numpy as np

from schemas.errors import UserError
from workers.synthetic_music.corpus.pieces import Piece
from workers.synthetic_music.sources.base import SourceRegistration


def draw_sources(piece: Piece, sources: Sequence[SourceRegistration]) -> tuple[str, ...]:
    """Return the name of each player's source, drawn by the piece's seed with equal chances.

    Raises UserError if no source has a voice.
    """
    rng = np.random.default_rng((piece.seed, 3000))
    drawn = []
    for player in piece.players:
        fitting = [source.name for source in sources if player.voice.name in source.voices]
        if not fitting:
            raise UserError(f"no source of sound plays {player.voice.name}")
        drawn.append(fitting[int(rng.integers(len(fitting)))])
    return tuple(drawn)
