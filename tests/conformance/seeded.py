"""What small likenesses are built of: seeded random weights, in a folder that passes for fetched ones."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from workers.weights.cache import Source, write_manifest


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
