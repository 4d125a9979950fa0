"""Seeded random weights for small encoders, in a folder that looks like fetched weights."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from workers.weights.cache import write_manifest
from workers.weights.sources import Source


def write_source(source: Source, models: Path, files: Mapping[str, bytes]) -> None:
    """Write these files into the folder that `weights_folder` expects."""
    folder = models / source.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    write_manifest(folder)


def random_weights(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> dict[str, np.ndarray]:
    """Draw float32 weights by name, scaled so that signals neither vanish nor explode."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in sorted(shapes.items()):
        scale = 1 / np.sqrt(max(1, int(np.prod(shape[1:])))) if len(shape) > 1 else 0.1
        numbers = rng.standard_normal(shape) * scale
        if len(shape) == 1 and name.endswith(("weight", "running_var")):
            numbers = 1 + 0.1 * np.abs(numbers)
        weights[name] = numbers.astype(np.float32)
    return weights
