"""The base class of most text towers: a tokenizer and one torch net."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workers.text.token_batches import batches_of_equal_length

if TYPE_CHECKING:
    from torch import nn


class TorchTextTower:
    """A TextTower of one torch net, on a GPU if there is one.

    `net` maps tokens [n, T] to unit vectors [n, dim]. Each text is cut after `max_tokens`.
    """

    def __init__(self, net: "nn.Module", tokenizer: Path, max_tokens: int, dim: int) -> None:
        from tokenizers import Tokenizer

        from workers.devices import best_device

        self._tokenizer, self._device, self._dim = Tokenizer.from_file(str(tokenizer)), best_device(), dim
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()
        self._net = net.eval().to(self._device)

    def embed_text(self, texts: list[str]) -> np.ndarray:
        import torch

        tokens = [encoded.ids for encoded in self._tokenizer.encode_batch(texts)]
        vectors = np.zeros((len(texts), self._dim), np.float32)
        for rows, batch in batches_of_equal_length(tokens):
            with torch.inference_mode():
                vectors[rows] = self._net(torch.from_numpy(batch).to(self._device)).float().cpu().numpy()
        return vectors
