"""GloVe: a text is the mean of its words' vectors; unknown words are left out.

Glove(settings.models).embed_text(["slow jazz, trumpet"])
Source: J. Pennington, R. Socher and C. Manning, "GloVe" (EMNLP 2014).
"""

import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from workers.text.glove_weights import GLOVE_6B_50D, VECTORS_FILE, WORDS_FILE
from workers.weights.cache import weights_folder

DIM = 50

_WORD = re.compile(r"\w+(?:['’]\w+)?")


class Glove:
    """A text tower before a projection: its vectors are not of length 1."""

    def __init__(self, models: Path) -> None:
        folder = weights_folder(GLOVE_6B_50D, models)
        words = pq.read_table(folder / WORDS_FILE)["index"].to_pylist()
        self._row_of = {word: row for row, word in enumerate(words)}
        self._vectors = np.load(folder / VECTORS_FILE, mmap_mode="r", allow_pickle=False)

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Embed texts as vectors [N, 50] float32.

        A text without a known word gets zeros.
        """
        vectors = np.zeros((len(texts), DIM), np.float32)
        for index, text in enumerate(texts):
            words = _WORD.findall(text.lower())
            if rows := [self._row_of[word] for word in words if word in self._row_of]:
                vectors[index] = self._vectors[rows].mean(axis=0)
        return vectors
