"""BERT and RoBERTa by torch's own layers, from weights under transformers' names (importing transformers takes 2.4 s).

hidden = bert_of(load_file("model.safetensors"), heads=12)(tokens)
"""

from collections.abc import Mapping

import torch
from torch import nn

Weights = Mapping[str, torch.Tensor]

# Names of one of BERT's layers, and of torch's own.
_LAYER_NAMES = {
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "norm1",
    "intermediate.dense": "linear1",
    "output.dense": "linear2",
    "output.LayerNorm": "norm2",
}
# Of no use for hidden states: numbers that count, and a layer behind them that some checkpoints leave out.
_UNUSED = ("embeddings.position_ids", "embeddings.token_type_ids", "pooler.")


class Bert(nn.Module):
    """Tokens [N, T] -> hidden states [N, T, dim]. Source: J. Devlin et al., "BERT" (2019); Y. Liu et al. (2019)."""

    def __init__(
        self, words: int, places: int, dim: int, layers: int, heads: int, inner: int, epsilon: float, dropout: float
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(words, dim)
        self.places = nn.Embedding(places, dim)
        self.norm = nn.LayerNorm(dim, epsilon)
        self.dropout = nn.Dropout(dropout)
        kind = {"activation": "gelu", "layer_norm_eps": epsilon, "batch_first": True, "dropout": dropout}
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(dim, heads, inner, **kind) for _ in range(layers))

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """`mask` [N, T] is True at tokens and False at padding; None where there is no padding."""
        hidden = self.dropout(self.norm(self.words(tokens) + self.places.weight[: tokens.shape[1]]))
        for layer in self.layers:
            hidden = layer(hidden, src_key_padding_mask=None if mask is None else ~mask)
        return hidden


class FirstToken(nn.Module):
    """Tokens [N, T] -> unit vectors [N, dim]: the first token's last state, projected."""

    def __init__(self, bert: Bert, projection: nn.Module) -> None:
        super().__init__()
        self.bert, self.projection = bert, projection

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self.projection(self.bert(tokens)[:, 0]))


def bert_of(weights: Weights, heads: int, epsilon: float = 1e-12, first_place: int = 0, dropout: float = 0.1) -> Bert:
    """The net with these weights, in eval mode; ValueError where a weight is left over, KeyError where one lacks.

    RoBERTa counts places from 2 (`first_place`) and has `epsilon` 1e-5.
    """
    state = _state(dict(weights), first_place)
    words, dim = state["words.weight"].shape
    layers = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("layers."))
    inner = state["layers.0.linear1.bias"].shape[0]
    with torch.device("meta"):  # so that no weights are drawn at random first
        net = Bert(words, len(state["places.weight"]), dim, layers, heads, inner, epsilon, dropout)
    net.load_state_dict(state, assign=True)
    return net.eval()


def _state(left: dict[str, torch.Tensor], first_place: int) -> dict[str, torch.Tensor]:
    """The same weights under torch's names. A place takes the kind of the first sentence with it: texts have one."""
    places = left.pop("embeddings.position_embeddings.weight")[first_place:]
    state = {
        "words.weight": left.pop("embeddings.word_embeddings.weight"),
        "places.weight": places + left.pop("embeddings.token_type_embeddings.weight")[0],
    }
    for kind in ("weight", "bias"):
        state[f"norm.{kind}"] = left.pop(f"embeddings.LayerNorm.{kind}")
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in left:
        theirs, ours = f"encoder.layer.{layer}.", f"layers.{layer}."
        for kind in ("weight", "bias"):
            three = [left.pop(f"{theirs}attention.self.{name}.{kind}") for name in ("query", "key", "value")]
            state[f"{ours}self_attn.in_proj_{kind}"] = torch.cat(three)
            for name, own in _LAYER_NAMES.items():
                state[f"{ours}{own}.{kind}"] = left.pop(f"{theirs}{name}.{kind}")
        layer += 1
    if strange := [name for name in left if not name.startswith(_UNUSED)]:
        raise ValueError(f"weights of another net than BERT: {', '.join(strange[:3])}")
    return state
