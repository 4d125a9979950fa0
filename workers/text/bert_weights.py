"""The names of BERT's weights: transformers' on disk, torch's in both of our forward passes."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Array = TypeVar("Array", bound=Any)  # of numpy or of torch

# transformers' names of one BERT layer's parts -> torch's names.
_LAYER_NAMES = {
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "norm1",
    "intermediate.dense": "linear1",
    "output.dense": "linear2",
    "output.LayerNorm": "norm2",
}
# Not needed for hidden states: position numbers, and a pooling layer that some checkpoints leave out.
_UNUSED = ("embeddings.position_ids", "embeddings.token_type_ids", "pooler.")


def to_torch_names(
    weights: Mapping[str, Array], join: Callable[[list[Array]], Array], first_position: int = 0
) -> dict[str, Array]:
    """Return weights under torch's names.

    `join` concatenates arrays along their first axis: that of numpy, or that of torch.
    BERT counts positions from 0, RoBERTa from 2 (`first_position`). Every text is one sentence, so that each position
    absorbs the embedding of the first sentence's type. Raises ValueError if a weight is left over, KeyError if one is
    missing.
    """
    remaining = dict(weights)
    positions = remaining.pop("embeddings.position_embeddings.weight")[first_position:]
    state = {
        "words.weight": remaining.pop("embeddings.word_embeddings.weight"),
        "places.weight": positions + remaining.pop("embeddings.token_type_embeddings.weight")[0],
    }
    for kind in ("weight", "bias"):
        state[f"norm.{kind}"] = remaining.pop(f"embeddings.LayerNorm.{kind}")
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in remaining:
        prefix, torch_prefix = f"encoder.layer.{layer}.", f"layers.{layer}."
        for kind in ("weight", "bias"):
            qkv = [remaining.pop(f"{prefix}attention.self.{name}.{kind}") for name in ("query", "key", "value")]
            state[f"{torch_prefix}self_attn.in_proj_{kind}"] = join(qkv)
            for name, torch_name in _LAYER_NAMES.items():
                state[f"{torch_prefix}{torch_name}.{kind}"] = remaining.pop(f"{prefix}{name}.{kind}")
        layer += 1
    if unknown := [name for name in remaining if not name.startswith(_UNUSED)]:
        raise ValueError(f"weights of another net than BERT: {', '.join(unknown[:3])}")
    return state


def count_layers(state: Mapping[str, object]) -> int:
    """Return the number of layers of weights under torch's names."""
    return 1 + max(int(name.split(".")[1]) for name in state if name.startswith("layers."))
