"""GloVe vectors of whole tags: a table instead of a text tower, as TTMR's triplet-glove models take them.

GloveTags(path).vector("hip hop, jazz")
"""

import logging
from pathlib import Path

import numpy as np
import torch

DIM = 300

log = logging.getLogger(__name__)

# What a pickled numpy array is made of, by the names of numpy 1 as well: nothing else may be in the table.
_ARRAYS = [
    (np._core.multiarray._reconstruct, "numpy.core.multiarray._reconstruct"),
    (np._core.multiarray._reconstruct, "numpy._core.multiarray._reconstruct"),
    (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),
    (np._core.multiarray.scalar, "numpy._core.multiarray.scalar"),
    np.ndarray,
    np.dtype,
    type(np.dtype(np.float32)),
    type(np.dtype(np.float64)),
]


class GloveTags:
    """The table {tag: 300 numbers}, saved by torch.save."""

    def __init__(self, path: Path) -> None:
        with torch.serialization.safe_globals(_ARRAYS):
            table = torch.load(path, map_location="cpu", weights_only=True)
        self._table = {tag: np.asarray(vector, np.float32) for tag, vector in table.items()}

    def vector(self, text: str) -> np.ndarray:
        """The mean of the vectors of a text's tags [300] float32; zeros where the table knows none of them."""
        known = self._known(text.strip().lower())
        if not known:
            log.warning("no tag that GloVe knows in %r: its vector stands for nothing", text)
            return np.zeros(DIM, np.float32)
        return np.mean(known, axis=0)

    def _known(self, text: str) -> list[np.ndarray]:
        """Of the whole text, else of its parts between commas, else of its words."""
        if text in self._table:
            return [self._table[text]]
        parts = text.split(", ") if ", " in text else text.split()
        return [vector for part in parts if part != text for vector in self._known(part)]
