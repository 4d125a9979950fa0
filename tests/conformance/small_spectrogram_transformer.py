"""A small AST: the files of its repository on the hub, with random weights under the names that it has.

convert_audio_spectrogram_transformer_original_to_pytorch.py (below
src/transformers/models/audio_spectrogram_transformer/ of huggingface/transformers at 9a673244) gave the authors'
weights these names. Today the library has other names for its layers, and renames what it loads.
"""

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save

from schemas.encoders import EncoderSpec
from tests.conformance.seeded import random_weights, write_source
from tests.conformance.small_ttmr import Shapes, linear_shapes, norm_shapes
from workers.encoders.spectrogram_transformers.audioset_tags import AUDIOSET_TAGS
from workers.encoders.spectrogram_transformers.encoder import AST, SPEC

Tensors = dict[str, torch.Tensor]

DIM, LAYERS, PATCH, POSITIONS = 16, 2, 16, 12 * 101 + 2

CONFIG = {
    "architectures": ["ASTForAudioClassification"],
    "model_type": "audio-spectrogram-transformer",
    "hidden_size": DIM,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 4 * DIM,
    "id2label": {str(row): name for row, name in enumerate(AUDIOSET_TAGS)},
    "label2id": {name: row for row, name in enumerate(AUDIOSET_TAGS)},
}
EXTRACTOR = {
    "feature_extractor_type": "ASTFeatureExtractor",
    "feature_size": 1,
    "sampling_rate": 16_000,
    "num_mel_bins": 128,
    "max_length": 1024,
    "mean": -4.2677393,
    "std": 4.5689974,
    "do_normalize": True,
}


def ast_shapes() -> Shapes:
    """Return the shapes of all weights in the file."""
    ast = {f"embeddings.{name}": (1, count, DIM) for name, count in _POSITIONS.items()}
    ast |= {"embeddings.patch_embeddings.projection.weight": (DIM, 1, PATCH, PATCH)}
    ast |= {"embeddings.patch_embeddings.projection.bias": (DIM,)} | norm_shapes("layernorm", DIM)
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        ast |= norm_shapes(f"{layer}.layernorm_before", DIM) | norm_shapes(f"{layer}.layernorm_after", DIM)
        for name in ("attention.query", "attention.key", "attention.value", "output.dense"):
            ast |= linear_shapes(f"{layer}.attention.{name}", DIM, DIM)
        ast |= linear_shapes(f"{layer}.intermediate.dense", DIM, 4 * DIM)
        ast |= linear_shapes(f"{layer}.output.dense", 4 * DIM, DIM)
    shapes = {f"audio_spectrogram_transformer.{name}": shape for name, shape in ast.items()}
    return (
        shapes | norm_shapes("classifier.layernorm", DIM) | linear_shapes("classifier.dense", DIM, len(AUDIOSET_TAGS))
    )


_POSITIONS = {"cls_token": 1, "distillation_token": 1, "position_embeddings": POSITIONS}


def build_state() -> Tensors:
    """Build random weights."""
    weights = {name: torch.from_numpy(numbers) for name, numbers in random_weights(ast_shapes(), 3).items()}
    for name in [name for name in weights if name.endswith("attention.output.dense.weight")]:
        weights[name] *= 4  # random layers blur the differences between sounds
    return weights


def build(folder: Path, config: dict[str, object] = CONFIG, weights: Tensors | None = None) -> EncoderSpec:
    """Write the small encoder's files and return its spec."""
    files = {"config.json": config, "preprocessor_config.json": EXTRACTOR}
    written = {name: json.dumps(content).encode() for name, content in files.items()}
    write_source(AST, folder, {**written, "model.safetensors": save(weights or build_state(), {"format": "pt"})})
    return replace(SPEC, backbone=replace(SPEC.backbone, dim=DIM), head=replace(SPEC.head, dim=DIM))


SMALL = {SPEC.name: build}
