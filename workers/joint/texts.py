"""How a clip is put in words for training: one tag, a sentence, or a random part of its tags.

Of a clip with sentences of its own, "stochastic" may read one of these as often as a part of its tags.

texts = drawn(clips, Cell(representation="stochastic"), np.random.default_rng(0))
Source: S. Doh et al., "Toward Universal Text-to-Music Retrieval" (ICASSP 2023); sentences and synonyms are ours.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from schemas.benchmarks import Clip
from schemas.training import Cell
from workers.joint.data import TrainingData

POOL_SEED = 0  # of the data, not of a training: trainings of different seeds share one pool, and what its texts cost
_OWN_NAME = 0.5  # how often, with synonyms, a tag with other names stands under its own


def drawn(clips: Sequence[Clip], cell: Cell, rng: np.random.Generator) -> list[str]:
    """A text for each clip, every one of which has a tag."""
    return [_text(clip, cell, rng) for clip in clips]


def pools(clips: Sequence[Clip], cell: Cell) -> list[list[str]]:
    """Up to `text_pool` different texts for each clip, drawn at random; of single tags all."""
    if cell.representation == "tag":
        return [list(clip.labels) for clip in clips]
    rng = np.random.default_rng(POOL_SEED)
    rows = [drawn(clips, cell, rng) for _ in range(cell.text_pool)]
    return [list(dict.fromkeys(texts)) for texts in zip(*rows, strict=True)]


def _text(clip: Clip, cell: Cell, rng: np.random.Generator) -> str:
    tags = clip.labels
    if cell.representation == "tag":
        return tags[int(rng.integers(len(tags)))]
    if cell.own_sentences and clip.captions and (cell.representation == "sentence" or rng.random() < 0.5):
        return clip.captions[int(rng.integers(len(clip.captions)))]
    count = int(rng.integers(1, len(tags) + 1)) if cell.representation == "stochastic" else len(tags)
    chosen = [tags[place] for place in rng.permutation(len(tags))[:count]]
    return ", ".join(_renamed(chosen, clip, rng) if cell.synonyms else chosen)


def _renamed(tags: list[str], clip: Clip, rng: np.random.Generator) -> list[str]:
    """The tags, of which every second that has other names stands under one of these."""
    names = dict(clip.other_names)
    return [
        names[tag][int(rng.integers(len(names[tag])))] if names.get(tag) and rng.random() >= _OWN_NAME else tag
        for tag in tags
    ]


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
            return drawn(clips, self._cell, rng)
        pools = self._data.train_pools if split == "train" else self._data.valid_pools
        places = (rng.random(len(pools)) * [len(pool) for pool in pools]).astype(int)
        return [self._data.places[pool[place]] for pool, place in zip(pools, places, strict=True)]

    def of_batch(self, texts: Any, rows: Sequence[int]) -> torch.Tensor | list[str] | None:
        """What the net takes for these clips."""
        if texts is None:
            return None
        chosen = [texts[row] for row in rows]
        return chosen if self._cell.finetune_text else self._vectors[chosen]
