"""The text side of a trained joint space: texts -> unit vectors beside the music's."""

import re
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from workers.encoders.joint.net import Joint
from workers.text.glove import Glove
from workers.text.minilm import MiniLM

_TEXTS_AT_ONCE = 256


class Vectors(Protocol):
    """A frozen text tower, before the projection."""

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Texts -> vectors [N, text] float32."""
        ...


def frozen_tower(text: str, models: Path) -> Vectors:
    """The tower that a cell names."""
    return {"glove": Glove, "bert": MiniLM}[text](models)


class JointTexts:
    """A TextTower of a triplet or contrastive training. `tower` is None where the net reads texts itself."""

    def __init__(self, joint: Joint, tower: Vectors | None) -> None:
        self._joint, self._tower = joint.eval(), tower

    @torch.inference_mode()
    def embed_text(self, texts: list[str]) -> np.ndarray:
        rows = [torch.zeros((0, self._joint.dim))]
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            rows.append(self._joint.embed(self._read(texts[start : start + _TEXTS_AT_ONCE])))
        return torch.cat(rows).numpy()

    def _read(self, texts: list[str]) -> torch.Tensor | list[str]:
        return texts if self._tower is None else torch.from_numpy(self._tower.embed_text(texts))


class TagsInTexts:
    """A TextTower of a classifier: a text is the mean of the centroids [V, dim] of the trained tags that stand in it.

    The mean of all where it names none: such a text says nothing to a classifier.
    """

    def __init__(self, centroids: torch.Tensor, vocabulary: tuple[str, ...]) -> None:
        self._centroids = functional.normalize(centroids.detach())
        self._tags = [re.compile(rf"(?<!\w){re.escape(tag.lower())}(?!\w)") for tag in vocabulary]

    def embed_text(self, texts: list[str]) -> np.ndarray:
        named = [[row for row, tag in enumerate(self._tags) if tag.search(text.lower())] for text in texts]
        rows = [self._centroids[mine or slice(None)].mean(0) for mine in named]
        return functional.normalize(torch.stack([*rows, self._centroids[0]]))[: len(texts)].numpy()
