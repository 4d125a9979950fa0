"""How a clip is put in words for training: one tag, a sentence, or a random part of its tags.

Of a clip with sentences of its own, "stochastic" may read one of these as often as a part of its tags.

texts = drawn(clips, "stochastic", np.random.default_rng(0))
Source: S. Doh et al., "Toward Universal Text-to-Music Retrieval" (ICASSP 2023).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from schemas.benchmarks import Clip
from schemas.training import Cell
from workers.joint.data import TrainingData


def drawn(
    clips: Sequence[Clip], representation: str, rng: np.random.Generator, own_sentences: bool = False
) -> list[str]:
    """A text for each clip. Every clip has a tag, or with `own_sentences` and "sentence" a sentence."""
    return [_text(clip, representation, rng, own_sentences) for clip in clips]


def pools(
    clips: Sequence[Clip], representation: str, size: int, seed: int, own_sentences: bool = False
) -> list[list[str]]:
    """Up to `size` different texts for each clip: all of them where it has no more, else drawn at random.

    `seed` is the data's, not a training's: trainings of different seeds share one pool, and what its texts cost.
    """
    if representation == "tag":
        return [list(clip.labels) for clip in clips]
    rng = np.random.default_rng(seed)
    rows = [drawn(clips, representation, rng, own_sentences) for _ in range(size)]
    return [list(dict.fromkeys(texts)) for texts in zip(*rows, strict=True)]


def _text(clip: Clip, representation: str, rng: np.random.Generator, own_sentences: bool) -> str:
    tags = clip.labels
    if representation == "tag":
        return tags[int(rng.integers(len(tags)))]
    own = own_sentences and clip.captions and representation != "tag"
    if own and (representation == "sentence" or rng.random() < 0.5):
        return clip.captions[int(rng.integers(len(clip.captions)))]
    count = int(rng.integers(1, len(tags) + 1)) if representation == "stochastic" else len(tags)
    return ", ".join(tags[place] for place in rng.permutation(len(tags))[:count])


class Texts:
    """The texts that a training reads: those of the pools as vectors, or ever new ones as they are."""

    def __init__(self, cell: Cell, data: TrainingData, device: torch.device) -> None:
        self._cell, self._data = cell, data
        self._vectors = torch.from_numpy(data.vectors).to(device)

    def of_epoch(self, split: str, rng: np.random.Generator) -> Sequence[int] | list[str] | None:
        """For each clip of the split its text, or the text's row among the vectors; None where none are read."""
        if self._cell.framework == "classification":
            return None
        if self._cell.finetune_text:
            clips = (self._data.train if split == "train" else self._data.valid).clips
            return drawn(clips, self._cell.representation, rng, self._cell.own_sentences)
        pools = self._data.train_pools if split == "train" else self._data.valid_pools
        places = (rng.random(len(pools)) * [len(pool) for pool in pools]).astype(int)
        return [self._data.places[pool[place]] for pool, place in zip(pools, places, strict=True)]

    def of_batch(self, texts: Any, rows: Sequence[int]) -> torch.Tensor | list[str] | None:
        """What the net takes for these clips."""
        if texts is None:
            return None
        chosen = [texts[row] for row in rows]
        return chosen if self._cell.finetune_text else self._vectors[chosen]
