"""all-MiniLM-L6-v2: sentences -> unit vectors, with nothing but numpy and tokenizers.

MiniLM(settings.models).embed_text(["a slow waltz"])
Searches, evaluations and frozen texts in training all use this one. Only training that changes MiniLM needs torch's
(minilm_net.py); this one reads the weights that it gives.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from workers.text.bert_weights import to_torch_names
from workers.text.minilm_weights import MINILM
from workers.text.numpy_bert import NumpyBert
from workers.weights.cache import weights_folder

DIM = 384
HEADS = 12
MAX_TOKENS = 256
_BATCH = 64  # texts of similar length


class MiniLM:
    """MiniLM's TextTower, on the CPU.

    `weights` are float32 under torch's names, from a training; None: the released ones.
    Source: W. Wang et al., "MiniLM" (2020), as sentence-transformers trained it on pairs of sentences.
    """

    def __init__(self, models: Path, weights: Mapping[str, np.ndarray] | None = None) -> None:
        folder = weights_folder(MINILM, models)
        self._tokenizer = read_tokenizer(folder)
        self._tokenizer.no_padding()
        if weights is None:
            weights = to_torch_names(load_file(folder / "model.safetensors"), np.concatenate)
        self._bert = NumpyBert(weights, HEADS)

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Embed texts as unit vectors [N, 384] float32."""
        means = self.mean_states(texts)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def mean_states(self, texts: list[str]) -> np.ndarray:
        """Return each text's mean hidden state [N, 384] float32: its vector before it is normalised.

        A text is cut after 256 tokens.
        """
        tokens = [encoded.ids for encoded in self._tokenizer.encode_batch(texts)]
        means = np.zeros((len(texts), DIM), np.float32)
        by_length = sorted(range(len(texts)), key=lambda row: len(tokens[row]))
        for start in range(0, len(texts), _BATCH):
            rows = by_length[start : start + _BATCH]
            means[rows] = [states.mean(axis=0) for states in self._bert([tokens[row] for row in rows])]
        return means


def read_tokenizer(folder: Path) -> Tokenizer:
    """Return MiniLM's tokenizer, which cuts a text after 256 tokens."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer
