"""The interface of every encoder. Constructors load the weights; every method maps a batch to a batch."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from schemas.encoders import EncoderSpec

Windows = np.ndarray | Sequence[np.ndarray]  # [B, window], or B of [window]


class Encoder(Protocol):
    """A model that embeds audio windows and, if it has a tagger, tags them.

    Arrays are float32. A row's numbers do not depend on the other rows of the batch (1 - cosine <= 1e-5).
    """

    spec: EncoderSpec

    def embed_windows(self, windows: Windows) -> np.ndarray:
        """Apply the backbone: audio windows [B, window] -> features [B, feature_dim].

        The features of a track are the mean over its windows. Windows in a sequence, perhaps of many tracks, come only
        to encoders whose registration says `on_gpu`; the others always get an array.
        """
        ...

    def project(self, features: np.ndarray) -> np.ndarray:
        """Apply the head: features [N, feature_dim] -> unit vectors [N, dim]."""
        ...

    def tag(self, features: np.ndarray) -> np.ndarray:
        """Apply the tagger: features [N, feature_dim] -> scores in 0..1 [N, len(spec.tagger.vocabulary)]."""
        ...


class TextTower(Protocol):
    """The text side of an encoder.

    It is separate from the encoder, so that a text search loads no audio model.
    """

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Embed texts as unit vectors [N, dim] float32 in the space of the encoder's vectors."""
        ...
