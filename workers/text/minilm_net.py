"""MiniLM as a torch net, for training that changes it. The trained weights are read by MiniLM, without torch."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from workers.text.bert import build_bert
from workers.text.minilm import HEADS, read_tokenizer
from workers.text.minilm_weights import MINILM
from workers.weights.cache import weights_folder


class MiniLMNet(nn.Module):
    """Texts -> vectors [N, 384], not normalised.

    A text's vector is the mean over its tokens; it is cut after 256.
    """

    def __init__(self, models: Path) -> None:
        super().__init__()
        folder = weights_folder(MINILM, models)
        self._tokenizer = read_tokenizer(folder)
        self._tokenizer.enable_padding()
        self.bert = build_bert(load_file(folder / "model.safetensors"), HEADS)

    def forward(self, texts: list[str]) -> torch.Tensor:
        device = self.bert.words.weight.device
        encoded = self._tokenizer.encode_batch(texts)
        tokens = torch.tensor([text.ids for text in encoded], device=device)
        mask = torch.tensor([text.attention_mask for text in encoded], dtype=torch.bool, device=device)
        hidden = self.bert(tokens, mask)
        return (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
