"""MAEST built small: random weights under the authors' names, turned into those of the hub as they turned theirs.

The names are those of maest_infer/model.py (0.2.0) and of transformers' ASTForAudioClassification; which becomes which
is told by palonso/MAEST's script that uploaded the weights (update_state_dict_names, split_qkv_matrices,
recombine_pos_embeddings, remove_dist_head).
"""

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save

from schemas.encoders import EncoderSpec
from tests.conformance.seeded import put, seeded
from tests.conformance.small_ttmr import Shapes, linear, norm
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


def shapes() -> Shapes:
    """Of the authors' state dict."""
    found = {"cls_token": (1, 1, DIM), "dist_token": (1, 1, DIM), "new_pos_embed": (1, 2, DIM)}
    found |= {"freq_new_pos_embed": (1, DIM, BANDS, 1), "time_new_pos_embed": (1, DIM, 1, TIMES)}
    found |= {"patch_embed.proj.weight": (DIM, 1, 16, 16), "patch_embed.proj.bias": (DIM,)}
    for number in range(LAYERS):
        block = f"blocks.{number}"
        found |= norm(f"{block}.norm1", DIM) | norm(f"{block}.norm2", DIM)
        found |= linear(f"{block}.attn.qkv", DIM, 3 * DIM) | linear(f"{block}.attn.proj", DIM, DIM)
        found |= linear(f"{block}.mlp.fc1", DIM, 4 * DIM) | linear(f"{block}.mlp.fc2", 4 * DIM, DIM)
    found |= norm("norm", DIM) | norm("head.0", DIM) | linear("head.1", DIM, len(STYLES))
    return found | linear("head_dist", DIM, len(STYLES))


def state() -> Tensors:
    """Random weights under the authors' names."""
    found = {name: torch.from_numpy(numbers) for name, numbers in seeded(shapes(), 33).items()}
    for name in [name for name in found if name.endswith("attn.proj.weight")]:
        found[name] *= 4  # random layers dull what differs between sounds
    return found


def uploaded(state: Tensors) -> Tensors:
    """The same under the names of the hub."""
    found: Tensors = {}
    for name, tensor in state.items():
        stem, _, kind = name.rpartition(".")
        if name in _SIMPLE or stem in _SIMPLE:
            found[_SIMPLE.get(name) or f"{_SIMPLE[stem]}.{kind}"] = tensor
        elif stem.endswith("attn.qkv"):
            for part, part_of_it in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                found[f"encoder.layer.{stem.split('.')[1]}.attention.attention.{part}.{kind}"] = part_of_it
    places = (state["freq_new_pos_embed"] + state["time_new_pos_embed"]).flatten(2).transpose(1, 2)
    found["embeddings.position_embeddings"] = torch.cat([state["new_pos_embed"], places], 1)
    found = {f"audio_spectrogram_transformer.{name}": tensor.contiguous() for name, tensor in found.items()}
    for number, part in enumerate(("layernorm", "dense")):
        found |= {f"classifier.{part}.{kind}": state[f"head.{number}.{kind}"] for kind in ("weight", "bias")}
    return found


def build(folder: Path, config: dict[str, object] = CONFIG) -> EncoderSpec:
    """Writes what the encoder looks for."""
    files = {
        "config.json": json.dumps(config).encode(),
        "model.safetensors": save(uploaded(state()), {"format": "pt"}),
    }
    put(MAEST, folder, files)
    return replace(SPEC, backbone=replace(SPEC.backbone, dim=DIM), head=replace(SPEC.head, dim=DIM))


SMALL = {SPEC.name: build}
