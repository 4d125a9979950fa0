"""How a clip of training is recorded: by which synthesizer, and how fast each struck sound fades.

A soundfont has one recording of an instrument, and one synthesizer plays it in one way: a model trained on that alone
knows the way, not the instrument. Other formants, equalisers, noise and saturation were tried too: they gained nothing
in another soundfont, and words never trained were told less well (docs/training.md).
"""

from dataclasses import dataclass

import numpy as np

from workers.synthetic_music.corpus.pieces import Piece

SAMPLED_SHARE = 0.5
STRUCK = frozenset("keys guitar bass mallet bell harp picking boom hit kit taps drone".split())  # manners that decay


@dataclass(frozen=True, slots=True)
class Recording:
    """`sampled`: by the synthesizer without envelopes, where what was struck fades by half in `half_lives` seconds.

    One half-life a player; None where the sound is held.
    """

    sampled: bool
    half_lives: tuple[float | None, ...]

    @classmethod
    def plain(cls, piece: Piece) -> "Recording":
        """By the synthesizer with envelopes."""
        return cls(False, (None,) * len(piece.players))

    @classmethod
    def drawn(cls, piece: Piece) -> "Recording":
        """The same for the same piece, everywhere."""
        rng = np.random.default_rng((piece.seed, 3000))
        sampled = bool(rng.random() < SAMPLED_SHARE)
        lives = 2.0 ** rng.uniform(-2.5, 2, len(piece.players))
        struck = [player.voice.manner in STRUCK for player in piece.players]
        return cls(sampled, tuple(float(life) if hit else None for life, hit in zip(lives, struck, strict=True)))
