"""A small MAEST: random weights under the authors' names, renamed as the authors renamed theirs for the hub.

The names are those of maest_infer/model.py (0.2.0) and of transformers' ASTForAudioClassification. The renaming is
that of palonso/MAEST's script that uploaded the weights (update_state_dict_names, split_qkv_matrices,
recombine_pos_embeddings, remove_dist_head).
"""

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save

from schemas.encoders import EncoderSpec
from tests.conformance.seeded import random_weights, write_source
from tests.conformance.small_ttmr import Shapes, linear_shapes, norm_shapes
from workers.encoders.spectrogram_transformers.maest import MAEST, SPEC, STYLES

Tensors = dict[str, torch.Tensor]

DIM, LAYERS, HEADS = 16, 2, 2
BANDS, TIMES = 9, 187  # patches of 16 x 16 every 10, of 96 bands and 1,876 frames
CONFIG = {
    "architectures": ["ASTForAudioClassification"],
    "model_type": "audio-spectrogram-transformer",
    "hidden_size": DIM,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 4 * DIM,
    "num_mel_bins": 96,
    "max_length": 1876,
    "layer_norm_eps": 1e-6,
    "torch_dtype": "float16",
    "id2label": {str(row): name for row, name in enumerate(STYLES)},
    "label2id": {name: row for row, name in enumerate(STYLES)},
}
_SIMPLE = {
    "cls_token": "embeddings.cls_token",
    "dist_token": "embeddings.distillation_token",
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "norm": "layernorm",
    **{
        f"blocks.{number}.{old}": f"encoder.layer.{number}.{new}"
        for number in range(LAYERS)
        for old, new in {
            "norm1": "layernorm_before",
            "norm2": "layernorm_after",
            "attn.proj": "attention.output.dense",
            "mlp.fc1": "intermediate.dense",
            "mlp.fc2": "output.dense",
        }.items()
    },
}


def authors_shapes() -> Shapes:
    """Return the shapes of the authors' state dict."""
    shapes = {"cls_token": (1, 1, DIM), "dist_token": (1, 1, DIM), "new_pos_embed": (1, 2, DIM)}
    shapes |= {"freq_new_pos_embed": (1, DIM, BANDS, 1), "time_new_pos_embed": (1, DIM, 1, TIMES)}
    shapes |= {"patch_embed.proj.weight": (DIM, 1, 16, 16), "patch_embed.proj.bias": (DIM,)}
    for number in range(LAYERS):
        block = f"blocks.{number}"
        shapes |= norm_shapes(f"{block}.norm1", DIM) | norm_shapes(f"{block}.norm2", DIM)
        shapes |= linear_shapes(f"{block}.attn.qkv", DIM, 3 * DIM) | linear_shapes(f"{block}.attn.proj", DIM, DIM)
        shapes |= linear_shapes(f"{block}.mlp.fc1", DIM, 4 * DIM) | linear_shapes(f"{block}.mlp.fc2", 4 * DIM, DIM)
    shapes |= norm_shapes("norm", DIM) | norm_shapes("head.0", DIM) | linear_shapes("head.1", DIM, len(STYLES))
    return shapes | linear_shapes("head_dist", DIM, len(STYLES))


def build_state() -> Tensors:
    """Build random weights under the authors' names."""
    weights = {name: torch.from_numpy(numbers) for name, numbers in random_weights(authors_shapes(), 33).items()}
    for name in [name for name in weights if name.endswith("attn.proj.weight")]:
        weights[name] *= 4  # random layers blur the differences between sounds
    return weights


def rename_as_uploaded(state: Tensors) -> Tensors:
    """Rename weights from the authors' names to those on the hub."""
    renamed: Tensors = {}
    for name, tensor in state.items():
        stem, _, kind = name.rpartition(".")
        if name in _SIMPLE or stem in _SIMPLE:
            renamed[_SIMPLE.get(name) or f"{_SIMPLE[stem]}.{kind}"] = tensor
        elif stem.endswith("attn.qkv"):
            for part, rows in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                renamed[f"encoder.layer.{stem.split('.')[1]}.attention.attention.{part}.{kind}"] = rows
    positions = (state["freq_new_pos_embed"] + state["time_new_pos_embed"]).flatten(2).transpose(1, 2)
    renamed["embeddings.position_embeddings"] = torch.cat([state["new_pos_embed"], positions], 1)
    renamed = {f"audio_spectrogram_transformer.{name}": tensor.contiguous() for name, tensor in renamed.items()}
    for number, part in enumerate(("layernorm", "dense")):
        renamed |= {f"classifier.{part}.{kind}": state[f"head.{number}.{kind}"] for kind in ("weight", "bias")}
    return renamed


def build(folder: Path, config: dict[str, object] = CONFIG) -> EncoderSpec:
    """Write the small encoder's files and return its spec."""
    files = {
        "config.json": json.dumps(config).encode(),
        "model.safetensors": save(rename_as_uploaded(build_state()), {"format": "pt"}),
    }
    write_source(MAEST, folder, files)
    return replace(SPEC, backbone=replace(SPEC.backbone, dim=DIM), head=replace(SPEC.head, dim=DIM))


SMALL = {SPEC.name: build}
