"""What every encoder offers. Heavy things load in the constructor; everything else maps a batch to a batch."""

from typing import Protocol

import numpy as np

from schemas.encoders import EncoderSpec


class Encoder(Protocol):
    """Arrays are float32. A row's numbers do not depend on its neighbours (1 - cosine <= 1e-5).

    Threads may call at once where the registry says `on_gpu`, and nowhere else.
    """

    spec: EncoderSpec

    def embed_windows(self, windows: np.ndarray) -> np.ndarray:
        """Backbone: audio windows [B, window] -> features [B, feature_dim]. A track's features are their mean."""
        ...

    def project(self, features: np.ndarray) -> np.ndarray:
        """Head: features [N, feature_dim] -> unit vectors [N, dim]."""
        ...

    def tag(self, features: np.ndarray) -> np.ndarray:
        """Tagger: features [N, feature_dim] -> scores in 0..1 [N, len(spec.tagger.vocabulary)]."""
        ...


class TextTower(Protocol):
    """The text side of an encoder, apart from it: a search in words loads no audio model."""

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Texts -> unit vectors [N, dim] float32 in the space of the encoder's vectors."""
        ...
