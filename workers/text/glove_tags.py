"""GloVe vectors of whole tags, which TTMR's triplet-glove models use as a text tower.

GloveTags(path).vector("hip hop, jazz")
"""

import logging
from pathlib import Path

import numpy as np
import torch

DIM = 300

log = logging.getLogger(__name__)

# The types of a pickled numpy array, also under numpy 1's names: the table may hold nothing else.
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
    """The vectors of a table {tag: 300 numbers} that torch.save wrote."""

    def __init__(self, path: Path) -> None:
        with torch.serialization.safe_globals(_ARRAYS):
            table = torch.load(path, map_location="cpu", weights_only=True)
        self._table = {tag: np.asarray(vector, np.float32) for tag, vector in table.items()}

    def vector(self, text: str) -> np.ndarray:
        """Return the mean vector of a text's tags [300] float32.

        If the table has none of them, log a warning and return zeros.
        """
        known = self._look_up(text.strip().lower())
        if not known:
            log.warning("GloVe has no tag of %r: its vector is all zeros", text)
            return np.zeros(DIM, np.float32)
        return np.mean(known, axis=0)

    def _look_up(self, text: str) -> list[np.ndarray]:
        """Return the vectors of the whole text, else of its parts.

        The parts are what stands between commas, or else the words.
        """
        if text in self._table:
            return [self._table[text]]
        parts = text.split(", ") if ", " in text else text.split()
        return [vector for part in parts if part != text for vector in self._look_up(part)]
