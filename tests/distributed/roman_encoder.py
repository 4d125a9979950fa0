"""A test encoder that needs one small package: it measures the loudness of a second in Roman numerals."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from schemas.encoders import EncoderSpec, HeadSpec
from workers.encoders import fake
from workers.encoders.base.isolated import PipEnvironment, SubprocessEncoder
from workers.encoders.base.registration import EncoderRegistration

PACKAGES = PipEnvironment("roman", ("roman==5.2",))
SPEC = replace(
    fake.SPEC,
    name="roman",
    backbone=replace(fake.SPEC.backbone, layer="numerals", dim=2),
    head=HeadSpec(kind="identity", dim=2),
    tagger=None,
)


class Roman:
    """An Encoder that needs the package `roman`."""

    def __init__(self, spec: EncoderSpec, models: Path) -> None:
        import roman

        if (models / "broken").exists():
            raise ValueError("it is broken")
        self.spec, self._roman = spec, roman

    def embed_windows(self, windows: np.ndarray) -> np.ndarray:
        if len(windows) and windows.max() > 1e6:
            os.abort()
        loudness = [self._roman.fromRoman(self._roman.toRoman(1 + int(row.std() * 1000))) for row in windows]
        return np.array([[loud, 100] for loud in loudness], np.float32).reshape(-1, 2)

    def project(self, features: np.ndarray) -> np.ndarray:
        return features / np.linalg.norm(features, axis=1, keepdims=True)

    def tag(self, features: np.ndarray) -> np.ndarray:
        raise NotImplementedError(f"no tagger for {len(features)} rows")


ENTRY = EncoderRegistration(
    SPEC, partial(SubprocessEncoder, PACKAGES, Roman), None, weights=(PACKAGES,), realtime_factor=100
)
