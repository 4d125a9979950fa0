"""The base class of most text towers: a tokenizer and one torch net."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import nn

BATCH = 64


class TorchTextTower:
    """A TextTower of one torch net, on a GPU if there is one.

    `net` maps tokens [n, T] to unit vectors [n, dim]. Only texts of equal length share a batch, so that no text is
    padded and none depends on its neighbours. Each text is cut after `max_tokens`.
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
        for length in sorted({len(ids) for ids in tokens}):
            rows = [row for row, ids in enumerate(tokens) if len(ids) == length]
            for start in range(0, len(rows), BATCH):
                batch_rows = rows[start : start + BATCH]
                with torch.inference_mode():
                    batch = torch.tensor([tokens[row] for row in batch_rows], device=self._device)
                    vectors[batch_rows] = self._net(batch).float().cpu().numpy()
        return vectors
