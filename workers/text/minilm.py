"""all-MiniLM-L6-v2: sentences -> unit vectors, with nothing but torch and tokenizers.

MiniLM(settings.models).embed_text(["a slow waltz"])
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

from workers.text.bert import build_bert
from workers.text.minilm_weights import MINILM
from workers.text.torch_text_tower import BATCH
from workers.weights.cache import weights_folder

DIM = 384
MAX_TOKENS = 256

_HEADS = 12


class MiniLMNet(nn.Module):
    """Texts -> vectors [N, 384], not normalised.

    A text's vector is the mean over its tokens; it is cut after 256.
    """

    def __init__(self, models: Path) -> None:
        super().__init__()
        folder = weights_folder(MINILM, models)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        self.bert = build_bert(load_file(folder / "model.safetensors"), _HEADS)

    def forward(self, texts: list[str]) -> torch.Tensor:
        device = self.bert.words.weight.device
        encoded = self._tokenizer.encode_batch(texts)
        tokens = torch.tensor([text.ids for text in encoded], device=device)
        mask = torch.tensor([text.attention_mask for text in encoded], dtype=torch.bool, device=device)
        hidden = self.bert(tokens, mask)
        return (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)


class MiniLM:
    """MiniLM's TextTower.

    Source: W. Wang et al., "MiniLM" (2020), as sentence-transformers trained it on pairs of sentences.
    """

    def __init__(self, models: Path) -> None:
        self._net = MiniLMNet(models)

    @torch.inference_mode()
    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Embed texts as unit vectors [N, 384] float32."""
        batches = [np.zeros((0, DIM), np.float32)]
        for start in range(0, len(texts), BATCH):
            batches.append(nn.functional.normalize(self._net(texts[start : start + BATCH])).numpy())
        return np.concatenate(batches)
