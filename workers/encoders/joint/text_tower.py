"""The text side of a trained joint space: texts -> unit vectors."""

import re
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from workers.encoders.joint.net import Joint
from workers.text.glove import Glove
from workers.text.minilm import MiniLM

_BATCH = 256


class FrozenTextTower(Protocol):
    """A text tower that training leaves as it is, before the projection."""

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Embed texts as vectors [N, text] float32."""
        ...


def load_frozen_tower(text: str, models: Path) -> FrozenTextTower:
    """Load the text tower that a training config names: "glove" or "bert"."""
    return {"glove": Glove, "bert": MiniLM}[text](models)


class JointTextTower:
    """A TextTower of a triplet or contrastive training.

    `tower` is None if the joint net reads texts itself.
    """

    def __init__(self, joint: Joint, tower: FrozenTextTower | None) -> None:
        self._joint, self._tower = joint.eval(), tower

    @torch.inference_mode()
    def embed_text(self, texts: list[str]) -> np.ndarray:
        rows = [torch.zeros((0, self._joint.dim))]
        for start in range(0, len(texts), _BATCH):
            rows.append(self._joint.embed(self._read(texts[start : start + _BATCH])))
        return torch.cat(rows).numpy()

    def _read(self, texts: list[str]) -> torch.Tensor | list[str]:
        return texts if self._tower is None else torch.from_numpy(self._tower.embed_text(texts))


class TagTextTower:
    """A TextTower of a classifier: the mean centroid of the trained tags in a text.

    `centroids` is [V, dim]. A text that names no tag gets the mean of all centroids, because a classifier cannot read
    anything else.
    """

    def __init__(self, centroids: torch.Tensor, vocabulary: tuple[str, ...]) -> None:
        self._centroids = functional.normalize(centroids.detach())
        self._patterns = [re.compile(rf"(?<!\w){re.escape(tag.lower())}(?!\w)") for tag in vocabulary]

    def embed_text(self, texts: list[str]) -> np.ndarray:
        rows = [self._mean_centroid(text.lower()) for text in texts]
        stacked = torch.stack([*rows, self._centroids[0]])  # one row more, because an empty list cannot be stacked
        return functional.normalize(stacked)[: len(texts)].numpy()

    def _mean_centroid(self, text: str) -> torch.Tensor:
        tags = [row for row, pattern in enumerate(self._patterns) if pattern.search(text)]
        return self._centroids[tags or slice(None)].mean(0)
