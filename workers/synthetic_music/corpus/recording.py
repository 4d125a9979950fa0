"""Who plays a clip: each player gets a source of sound.

A source has one recording of an instrument and plays it in one way. A model that is trained on one source learns that
source, not the instrument. Effects on one source (other formants, equalisers, noise, saturation) were tried too: they
gained nothing in another soundfont, and words that training never saw were recognised less well (docs/training.md).
"""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from schemas.errors import UserError
from workers.synthetic_music.corpus.pieces import Piece, pick
from workers.synthetic_music.sources.base import SourceRegistration

# Of players whose voice has samples and a computed source. Heads that heard as many of both found no more than a head
# that heard samples alone, from fewer than half of the clips (docs/training.md).
COMPUTED_SHARE = 0.2


def draw_sources(piece: Piece, sources: Sequence[SourceRegistration]) -> tuple[str, ...]:
    """Return the name of each player's source, drawn by the piece's seed.

    One player in five gets a computed source. Among the others, each origin has equal chances: a soundfont that two
    synthesizers play is one recording. Raises UserError if no source has a voice.
    """
    rng = np.random.default_rng((piece.seed, 3000))
    drawn = []
    for player in piece.players:
        fitting = [source for source in sources if player.voice.name in source.voices]
        if not fitting:
            raise UserError(f"no source of sound plays {player.voice.name}")
        drawn.append(_draw_source(fitting, rng).name)
    return tuple(drawn)


def _draw_source(fitting: list[SourceRegistration], rng: Generator) -> SourceRegistration:
    wants_computed = rng.random() < COMPUTED_SHARE
    wanted = [source for source in fitting if source.is_computed == wants_computed] or fitting
    origin = pick(rng, sorted({source.origin for source in wanted}))
    return pick(rng, [source for source in wanted if source.origin == origin])
