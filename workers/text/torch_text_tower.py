"""What most text towers are: a tokenizer and one torch net."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import nn

BATCH = 64


class NetText:
    """A TextTower. `net` maps tokens [n, T] to unit vectors [n, dim]; on a GPU where there is one.

    Texts of one length go together, so that none is padded and none depends on its neighbours; each is cut after
    `max_tokens`.
    """

    def __init__(self, net: "nn.Module", tokenizer: Path, max_tokens: int, dim: int) -> None:
        from tokenizers import Tokenizer

        from workers.encoders.base.inference import best_device

        self._tokenizer, self._device, self._dim = Tokenizer.from_file(str(tokenizer)), best_device(), dim
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()
        self._net = net.eval().to(self._device)

    def embed_text(self, texts: list[str]) -> np.ndarray:
        import torch

        tokens = [text.ids for text in self._tokenizer.encode_batch(texts)]
        found = np.zeros((len(texts), self._dim), np.float32)
        for length in sorted({len(text) for text in tokens}):
            rows = [row for row, text in enumerate(tokens) if len(text) == length]
            for start in range(0, len(rows), BATCH):
                some = rows[start : start + BATCH]
                with torch.inference_mode():
                    batch = torch.tensor([tokens[row] for row in some], device=self._device)
                    found[some] = self._net(batch).float().cpu().numpy()
        return found
