"""all-MiniLM-L6-v2: sentences -> unit vectors, with torch and tokenizers alone.

MiniLM(settings.models).embed_text(["a slow waltz"])
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

from workers.text.bert import bert_of
from workers.text.minilm_weights import MINILM
from workers.text.net_text import BATCH
from workers.weights import weights_folder

DIM = 384
MAX_TOKENS = 256

_HEADS = 12


class MiniLM:
    """A TextTower. Source: W. Wang et al., "MiniLM" (2020), as trained on sentence pairs by sentence-transformers."""

    def __init__(self, models: Path) -> None:
        folder = weights_folder(MINILM, models)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        self._net = bert_of(load_file(folder / "model.safetensors"), _HEADS)

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Texts -> unit vectors [N, 384] float32: the mean over a text's tokens, at most 256 of them."""
        batches = [self._embed(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return np.concatenate([np.zeros((0, DIM), np.float32), *batches])

    @torch.inference_mode()
    def _embed(self, texts: list[str]) -> np.ndarray:
        encoded = self._tokenizer.encode_batch(texts)
        tokens = torch.tensor([text.ids for text in encoded])
        mask = torch.tensor([text.attention_mask for text in encoded], dtype=torch.bool)
        hidden = self._net(tokens, mask)
        total = (hidden * mask[:, :, None]).sum(1)
        return nn.functional.normalize(total / mask.sum(1, keepdim=True)).numpy()
