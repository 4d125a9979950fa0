"""The text side of a trained joint space: texts -> unit vectors.

In numpy, so that a search imports no torch. It computes what the torch net of the training (net.py) does in eval mode.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from workers.text.glove import Glove
from workers.text.minilm import MiniLM
from workers.text.numpy_bert import normalise_layer

_READER = "reader.bert."


class FrozenTextTower(Protocol):
    """A text tower that training leaves as it is, before the projection."""

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Embed texts as vectors [N, text] float32."""
        ...


def load_frozen_tower(text: str, models: Path) -> FrozenTextTower:
    """Load the text tower that a training config names: "glove" or "bert"."""
    return {"glove": Glove, "bert": MiniLM}[text](models)


def load_finetuned_tower(weights: Mapping[str, np.ndarray], models: Path) -> MiniLM:
    """Load MiniLM as a training has changed it; `weights` are those of the joint net."""
    return MiniLM(models, {name.removeprefix(_READER): weights[name] for name in weights if name.startswith(_READER)})


class JointTextTower:
    """A TextTower of a triplet or contrastive training.

    `read_texts` maps texts to vectors [N, text]; `weights` are those of the joint net.
    """

    def __init__(self, read_texts: Callable[[list[str]], np.ndarray], weights: Mapping[str, np.ndarray]) -> None:
        self._read_texts = read_texts
        self._weights = {name: weight for name, weight in weights.items() if name.startswith("text.")}

    def embed_text(self, texts: list[str]) -> np.ndarray:
        return self.project(self._read_texts(texts))

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Apply the net's Centred or its Projection: vectors [N, text] -> unit vectors [N, dim]."""
        weights = self._weights
        if "text.mean" in weights:
            return _normalise(vectors - weights["text.mean"])
        vectors = normalise_layer(vectors, weights["text.0.weight"], weights["text.0.bias"])
        return _normalise(vectors @ weights["text.1.weight"].T)


class TagTextTower:
    """A TextTower of a classifier: the mean centroid of the trained tags in a text.

    `centroids` is [V, dim]. A text that names no tag gets the mean of all centroids, because a classifier cannot read
    anything else.
    """

    def __init__(self, centroids: np.ndarray, vocabulary: tuple[str, ...]) -> None:
        self._centroids = _normalise(centroids)
        self._patterns = [re.compile(rf"(?<!\w){re.escape(tag.lower())}(?!\w)") for tag in vocabulary]

    def embed_text(self, texts: list[str]) -> np.ndarray:
        rows = [self._mean_centroid(text.lower()) for text in texts]
        return _normalise(np.array(rows, np.float32).reshape(len(texts), -1)) if rows else self._centroids[:0]

    def _mean_centroid(self, text: str) -> np.ndarray:
        tags = [row for row, pattern in enumerate(self._patterns) if pattern.search(text)]
        return self._centroids[tags or slice(None)].mean(axis=0)


def _normalise(rows: np.ndarray) -> np.ndarray:
    """Scale each row [N, dim] to length 1, except rows of zeros."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
