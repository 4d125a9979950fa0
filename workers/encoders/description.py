"""An encoder without a vector: its outcomes hold nothing but descriptions. `tonelake describe` runs it."""

from pathlib import Path

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec
from workers.encoders.base.registration import EncoderRegistration

_WINDOW = 8_000  # a second; the windows themselves are not looked at

SPEC = EncoderSpec(
    name="description",
    licence="CC0-1.0",
    citation="none: it computes no vector",
    backbone=BackboneSpec(
        weights_sha256="",
        windows=WindowSpec(sample_rate=_WINDOW, window=_WINDOW, hop=_WINDOW),
        layer="none",
        pooling="none",
        dim=1,
    ),
    head=HeadSpec(kind="identity", dim=1),
)


class DescriptionEncoder:
    """An Encoder whose features are always zero. No table stores them."""

    def __init__(self, spec: EncoderSpec, _: Path) -> None:
        self.spec = spec

    def embed_windows(self, windows: np.ndarray) -> np.ndarray:
        return np.zeros((len(windows), 1), np.float32)

    def project(self, features: np.ndarray) -> np.ndarray:
        return features

    def tag(self, features: np.ndarray) -> np.ndarray:
        return np.zeros((len(features), 0), np.float32)


REGISTRATION = EncoderRegistration(SPEC, DescriptionEncoder, None, weights=(), realtime_factor=400, verified=True)
