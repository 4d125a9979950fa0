"""Texts -> unit vectors in a joint space: a tokenizer, BERT or RoBERTa, and a projection of the first token."""

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from workers.on_device import best_device
from workers.text.bert import Bert, without_padding


class JointText:
    """A TextTower. Texts of one length go together, so that none is padded: TTMR's authors embed them one by one."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, bert: Bert, projection: nn.Module) -> None:
        self._tokenizer, self._device = tokenizer, best_device()
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()
        self._bert, self._projection = bert.to(self._device), projection.to(self._device)
        self._dim = projection[-1].out_features

    def embed_text(self, texts: list[str]) -> np.ndarray:
        tokens = [text.ids for text in self._tokenizer.encode_batch(texts)]
        return without_padding(tokens, self._embed, self._dim, self._device)

    @torch.inference_mode()
    def _embed(self, tokens: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self._projection(self._bert(tokens)[:, 0]))
