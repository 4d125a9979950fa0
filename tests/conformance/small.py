"""Encoders whose weights no test machine can fetch, built small: the true wrapper around the true architecture.

A builder writes a folder of seeded random weights where the encoder looks for its own, and returns the encoder's spec
with the small dimensions. Everything that the conformance suite asks then runs through the code that ships.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from schemas.encoders import EncoderSpec
from workers.encoders.registry import ENCODERS
from workers.weights import Source, write_manifest

Builder = Callable[[Path], EncoderSpec]

SMALL: dict[str, Builder] = {}


def spec_and_models(name: str, models: Path, small_models: Path) -> tuple[EncoderSpec, Path]:
    """What to load an encoder with: its own spec and weights, or those of its small likeness."""
    if name in SMALL:
        return SMALL[name](small_models), small_models
    return ENCODERS[name].spec, models


def put(source: Source, models: Path, files: Mapping[str, bytes]) -> None:
    """The folder that `weights_folder` expects, holding these files."""
    folder = models / source.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    write_manifest(folder)


def seeded(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> dict[str, np.ndarray]:
    """Random float32 weights by name, scaled so that signals neither vanish nor burst; running variances are 1."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in sorted(shapes.items()):
        spread = 1 / np.sqrt(max(1, int(np.prod(shape[1:])))) if len(shape) > 1 else 0.1
        numbers = rng.standard_normal(shape) * spread
        if len(shape) == 1 and name.endswith(("weight", "running_var")):
            numbers = 1 + 0.1 * np.abs(numbers)
        found[name] = numbers.astype(np.float32)
    return found
