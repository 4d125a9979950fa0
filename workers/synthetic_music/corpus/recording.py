"""The recording of a training clip: its synthesizer, and the decay of each struck sound.

A soundfont has one recording of an instrument, and a synthesizer plays it in one way. A model trained on that alone
learns the way of playing, not the instrument. Other formants, equalisers, noise and saturation were tried too: they
gained nothing in another soundfont, and words that training never saw were recognised less well (docs/training.md).
"""

from dataclasses import dataclass

import numpy as np

from workers.synthetic_music.corpus.pieces import Piece

SAMPLED_FRACTION = 0.5
STRUCK = frozenset("keys guitar bass mallet bell harp picking boom hit kit taps drone".split())  # manners that decay


@dataclass(frozen=True, slots=True)
class Recording:
    """A way to record a piece.

    If `sampled`, the synthesizer without envelopes records it, and struck sounds lose half their amplitude in
    `half_lives` seconds: one for each player, None for sustained sounds.
    """

    sampled: bool
    half_lives: tuple[float | None, ...]

    @classmethod
    def plain(cls, piece: Piece) -> "Recording":
        """Return the recording by the synthesizer with envelopes."""
        return cls(False, (None,) * len(piece.players))

    @classmethod
    def draw(cls, piece: Piece) -> "Recording":
        """Draw a recording by the piece's seed; equal pieces get equal recordings."""
        rng = np.random.default_rng((piece.seed, 3000))
        sampled = bool(rng.random() < SAMPLED_FRACTION)
        half_lives = 2.0 ** rng.uniform(-2.5, 2, len(piece.players))
        is_struck = [player.voice.manner in STRUCK for player in piece.players]
        lives = zip(half_lives, is_struck, strict=True)
        return cls(sampled, tuple(float(life) if struck else None for life, struck in lives))
