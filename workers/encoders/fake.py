"""A stand-in encoder without weights, for tests: a seeded random projection of band energies."""

import hashlib
from pathlib import Path

import numpy as np

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec, EncoderSpec, HeadSpec, TaggerSpec
from workers.encoders.base.registration import EncoderRegistration
from workers.encoders.base.torch_encoder import normalise_rows

_DIM = 32
_SEED = 20_230_604
_BAND_EDGES = np.unique(np.geomspace(1, 16_000, 25).astype(int))  # in bins of the window's spectrum
_TAG_PAIRS = (("loud", "quiet"), ("bright", "dark"), ("busy", "sparse"))

SPEC = EncoderSpec(
    name="fake",
    licence="CC0-1.0",
    citation="none: seeded noise, not a model",
    backbone=BackboneSpec(
        weights_sha256="",
        windows=WindowSpec(sample_rate=16_000, window=32_000, hop=32_000),
        layer=f"projection seeded with {_SEED}",
        pooling="mean over windows",
        dim=_DIM,
    ),
    head=HeadSpec(kind="identity", dim=_DIM, text_tower="hash of each word"),
    tagger=TaggerSpec(vocabulary=tuple(name for pair in _TAG_PAIRS for name in pair), threshold=0.5),
)


class FakeEncoder:
    """An Encoder that puts similar sounds near each other, but knows nothing of music."""

    def __init__(self, spec: EncoderSpec, _: Path) -> None:
        self.spec = spec
        rng = np.random.default_rng(_SEED)
        self._projection = rng.standard_normal((len(_BAND_EDGES), _DIM)).astype(np.float32)
        self._offset = rng.standard_normal(_DIM).astype(np.float32)  # so that silence has a direction too
        self._tags = rng.standard_normal((_DIM, len(_TAG_PAIRS))).astype(np.float32)

    def embed_windows(self, windows: np.ndarray) -> np.ndarray:
        power = np.abs(np.fft.rfft(windows)) ** 2 / windows.shape[1]
        bands = np.log10(1 + 1e4 * np.add.reduceat(power, _BAND_EDGES, axis=1)).astype(np.float32)
        return bands @ self._projection + self._offset

    def project(self, features: np.ndarray) -> np.ndarray:
        return normalise_rows(features)

    def tag(self, features: np.ndarray) -> np.ndarray:
        first_of_pair = 1 / (1 + np.exp(-normalise_rows(features) @ self._tags))
        return np.stack([first_of_pair, 1 - first_of_pair], axis=2).reshape(len(features), 2 * len(_TAG_PAIRS))


class FakeTextTower:
    """A TextTower: a text is the sum of its words, each a random direction."""

    def __init__(self, spec: EncoderSpec, _: Path) -> None:
        self._dim = spec.head.dim

    def embed_text(self, texts: list[str]) -> np.ndarray:
        sums = [sum(map(self._word_vector, text.lower().split()), self._word_vector("")) for text in texts]
        return normalise_rows(np.array(sums, np.float32).reshape(len(texts), self._dim))

    def _word_vector(self, word: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
        return np.random.default_rng(seed).standard_normal(self._dim)


REGISTRATIONS = (
    EncoderRegistration(SPEC, FakeEncoder, FakeTextTower, weights=(), realtime_factor=600, verified=True),
)
