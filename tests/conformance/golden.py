"""The golden features and vectors of every encoder. After a change: python -m tests.conformance.golden NAME"""

import argparse
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from schemas.settings import Settings
from tests.conformance.small import spec_and_models
from workers.encoders.base.interface import Encoder
from workers.encoders.registry import ENCODERS

FOLDER = Path(__file__).parents[1] / "data"


def signal(samples: int, sample_rate: int) -> np.ndarray:
    """Return three struck notes over a little noise [samples] float32."""
    seconds = np.arange(samples) / sample_rate
    sound = np.random.default_rng(0).normal(0, 0.005, samples)
    for start, hz in ((0, 220.0), (0.6, 277.2), (1.2, 329.6)):
        since = np.maximum(0, seconds - start)
        for harmonic in range(1, 6):
            sound += np.sin(2 * np.pi * hz * harmonic * since) * np.exp(-3 * since) * 0.2 / harmonic
    return sound.astype(np.float32)


def compute(encoder: Encoder) -> dict[str, np.ndarray]:
    """Compute features and vector of one window of the signal."""
    windows = encoder.spec.backbone.windows
    features = encoder.embed_windows(signal(windows.window, windows.sample_rate)[None])
    return {"features": features[0], "vector": encoder.project(features)[0]}


def golden_file(name: str, folder: Path = FOLDER) -> Path:
    return folder / f"golden_{name}.npz"


def load_or_build_small(name: str, models: Path, small_models: Path) -> Encoder:
    """Load the encoder, or its small version if its weights cannot be fetched."""
    spec, folder = spec_and_models(name, models, small_models)
    return ENCODERS[name].load(spec, folder)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+", choices=ENCODERS)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as small_models:
        for name in arguments.names:
            spec = ENCODERS[name].spec
            versions = {"feature_version": spec.feature_version, "embedding_version": spec.embedding_version}
            with suppress(pytest.skip.Exception):  # packages that cannot be fetched
                numbers = compute(load_or_build_small(name, Settings().models, Path(small_models)))
                np.savez_compressed(golden_file(name, arguments.folder), **numbers, **versions)


if __name__ == "__main__":
    main()
