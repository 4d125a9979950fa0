"""BERT and RoBERTa with torch's own layers, from weights under transformers' names.

hidden = build_bert(load_file("model.safetensors"), heads=12)(tokens)
transformers is not used because importing it takes 2.4 s.
"""

from collections.abc import Mapping

import torch
from torch import nn

from workers.text.bert_weights import count_layers, to_torch_names

Weights = Mapping[str, torch.Tensor]


class Bert(nn.Module):
    """Tokens [N, T] -> hidden states [N, T, dim].

    Source: J. Devlin et al., "BERT" (2019); Y. Liu et al. (2019).
    """

    def __init__(
        self, words: int, positions: int, dim: int, layers: int, heads: int, inner: int, epsilon: float, dropout: float
    ) -> None:
        super().__init__()
        # nn.Embedding(words, dim) would draw weights. On the meta device (see build_bert) torch imports its compiler
        # for that, which takes 4 s (measured). from_pretrained draws none.
        self.words = nn.Embedding.from_pretrained(torch.empty(words, dim), freeze=False)
        # trained models on disk use the name `places`
        self.places = nn.Embedding.from_pretrained(torch.empty(positions, dim), freeze=False)
        self.norm = nn.LayerNorm(dim, epsilon)
        self.dropout = nn.Dropout(dropout)
        options = {"activation": "gelu", "layer_norm_eps": epsilon, "batch_first": True, "dropout": dropout}
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(dim, heads, inner, **options) for _ in range(layers))

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Compute the last hidden states.

        `mask` [N, T] is True at tokens and False at padding; None if there is no padding.
        """
        hidden = self.dropout(self.norm(self.words(tokens) + self.places.weight[: tokens.shape[1]]))
        for layer in self.layers:
            hidden = layer(hidden, src_key_padding_mask=None if mask is None else ~mask)
        return hidden


class FirstTokenTower(nn.Module):
    """Tokens [N, T] -> unit vectors [N, dim].

    Projects the last hidden state of the first token.
    """

    def __init__(self, bert: Bert, projection: nn.Module) -> None:
        super().__init__()
        self.bert, self.projection = bert, projection

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self.projection(self.bert(tokens)[:, 0]))


def build_bert(
    weights: Weights, heads: int, epsilon: float = 1e-12, first_position: int = 0, dropout: float = 0.1
) -> Bert:
    """Build the net from weights under transformers' names, in eval mode.

    The defaults are BERT's; RoBERTa counts positions from 2 (`first_position`) and has `epsilon` 1e-5. Raises
    ValueError if a weight is left over, KeyError if one is missing.
    """
    state = to_torch_names(weights, torch.cat, first_position)
    words, dim = state["words.weight"].shape
    positions = len(state["places.weight"])
    layers = count_layers(state)
    inner = state["layers.0.linear1.bias"].shape[0]
    with torch.device("meta"):  # so that no weights are drawn at random first
        net = Bert(words, positions, dim, layers, heads, inner, epsilon, dropout)
    net.load_state_dict(state, assign=True)
    return net.eval()
