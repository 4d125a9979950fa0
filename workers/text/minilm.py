"""all-MiniLM-L6-v2: sentences -> unit vectors, with torch and tokenizers alone (importing transformers takes 2.4 s).

MiniLM(settings.models).embed_text(["a slow waltz"])
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

from workers.text.minilm_weights import MINILM
from workers.weights import weights_folder

DIM = 384
MAX_TOKENS = 256

_LAYERS, _HEADS, _INNER, _EPSILON = 6, 12, 1536, 1e-12
_BATCH = 64

# Names of one of BERT's layers, and of torch's own.
_LAYER_NAMES = {
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "norm1",
    "intermediate.dense": "linear1",
    "output.dense": "linear2",
    "output.LayerNorm": "norm2",
}


class MiniLM:
    """A TextTower. Source: W. Wang et al., "MiniLM" (2020), as trained on sentence pairs by sentence-transformers."""

    def __init__(self, models: Path) -> None:
        folder = weights_folder(MINILM, models)
        weights = load_file(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        self._words = weights["embeddings.word_embeddings.weight"]
        self._places = (
            weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = (weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"], _EPSILON)
        self._layers = [_layer(weights, f"encoder.layer.{number}.") for number in range(_LAYERS)]

    def embed_text(self, texts: list[str]) -> np.ndarray:
        """Texts -> unit vectors [N, 384] float32: the mean over a text's tokens, at most 256 of them."""
        batches = [self._embed(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        return np.concatenate([np.zeros((0, DIM), np.float32), *batches])

    @torch.inference_mode()
    def _embed(self, texts: list[str]) -> np.ndarray:
        encoded = self._tokenizer.encode_batch(texts)
        tokens = torch.tensor([text.ids for text in encoded])
        mask = torch.tensor([text.attention_mask for text in encoded], dtype=torch.bool)
        hidden = nn.functional.layer_norm(self._words[tokens] + self._places[: tokens.shape[1]], (DIM,), *self._norm)
        for layer in self._layers:
            hidden = layer(hidden, src_key_padding_mask=~mask)
        total = (hidden * mask[:, :, None]).sum(1)
        return nn.functional.normalize(total / mask.sum(1, keepdim=True)).numpy()


def _layer(weights: dict[str, torch.Tensor], prefix: str) -> nn.TransformerEncoderLayer:
    """One of torch's layers with BERT's weights; on the meta device, so that none are drawn at random first."""
    layer = nn.TransformerEncoderLayer(
        DIM, _HEADS, _INNER, dropout=0.0, activation="gelu", layer_norm_eps=_EPSILON, batch_first=True, device="meta"
    )
    state = {}
    for kind in ("weight", "bias"):
        three = [weights[f"{prefix}attention.self.{name}.{kind}"] for name in ("query", "key", "value")]
        state[f"self_attn.in_proj_{kind}"] = torch.cat(three)
        state |= {f"{own}.{kind}": weights[f"{prefix}{theirs}.{kind}"] for theirs, own in _LAYER_NAMES.items()}
    layer.load_state_dict(state, assign=True)
    return layer.eval()
