"""`fake`: a seeded encoder without weights, quick enough for the tests of everything around an encoder.

Its features are the energies of 16 bands of the mean spectrum; its text side turns words into seeded vectors.
"""

import hashlib
from pathlib import Path

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec, TaggerSpec

BANDS = 16
SPEC = EncoderSpec(
    name="fake",
    licence="MIT",
    citation="none: for tests",
    backbone=BackboneSpec(
        weights_sha256="",
        windows=WindowSpec(sample_rate=16_000, window=16_000, hop=16_000),
        layer="log band energies",
        pooling="mean",
        dim=BANDS,
    ),
    head=HeadSpec(kind="identity", dim=BANDS),
    tagger=TaggerSpec(vocabulary=("low", "middle", "high"), threshold=0.3),
)


class FakeEncoder:
    """Deterministic; what it hears is the balance of low and high."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        del models
        self.spec = spec

    def embed_windows(self, windows: np.ndarray) -> np.ndarray:
        spectrum = np.abs(np.fft.rfft(windows, axis=1)).astype(np.float32)[:, 1:]
        bands = np.stack([band.mean(axis=1) for band in np.array_split(spectrum, BANDS, axis=1)], axis=1)
        return np.log1p(bands).reshape(-1, BANDS)

    def project(self, features: np.ndarray) -> np.ndarray:
        return _unit(features.astype(np.float32) + np.float32(1e-3))

    def tag(self, features: np.ndarray) -> np.ndarray:
        thirds = np.stack([third.sum(axis=1) for third in np.array_split(features, 3, axis=1)], axis=1)
        return (thirds / (thirds.sum(axis=1, keepdims=True) + 1e-9)).astype(np.float32)


class FakeText:
    """Each text has a vector of its own, the same on every machine."""

    def embed_text(self, texts: list[str]) -> np.ndarray:
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") for text in texts]
        rows = [np.random.default_rng(seed).standard_normal(BANDS) for seed in seeds]
        return _unit(np.array(rows, np.float32).reshape(-1, BANDS))


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
