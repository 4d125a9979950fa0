"""AST built small: the files of its repository on the hub, random weights under the names that are kept there.

The names are those that convert_audio_spectrogram_transformer_original_to_pytorch.py (below
src/transformers/models/audio_spectrogram_transformer/ of huggingface/transformers at 9a673244) gives the authors'.
The library calls its own layers otherwise by now, and renames what it loads.
"""

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save

from schemas.encoders import EncoderSpec
from tests.conformance.seeded import put, seeded
from tests.conformance.small_ttmr import Shapes, linear, norm
from workers.encoders.spectrogram_transformers.audioset_tags import AUDIOSET_TAGS
from workers.encoders.spectrogram_transformers.encoder import AST, SPEC

Tensors = dict[str, torch.Tensor]

DIM, LAYERS, PATCH, PLACES = 16, 2, 16, 12 * 101 + 2

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


def shapes() -> Shapes:
    """Of everything in the file."""
    ast = {f"embeddings.{name}": (1, places, DIM) for name, places in _PLACES.items()}
    ast |= {"embeddings.patch_embeddings.projection.weight": (DIM, 1, PATCH, PATCH)}
    ast |= {"embeddings.patch_embeddings.projection.bias": (DIM,)} | norm("layernorm", DIM)
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        ast |= norm(f"{layer}.layernorm_before", DIM) | norm(f"{layer}.layernorm_after", DIM)
        for name in ("attention.query", "attention.key", "attention.value", "output.dense"):
            ast |= linear(f"{layer}.attention.{name}", DIM, DIM)
        ast |= linear(f"{layer}.intermediate.dense", DIM, 4 * DIM) | linear(f"{layer}.output.dense", 4 * DIM, DIM)
    found = {f"audio_spectrogram_transformer.{name}": shape for name, shape in ast.items()}
    return found | norm("classifier.layernorm", DIM) | linear("classifier.dense", DIM, len(AUDIOSET_TAGS))


_PLACES = {"cls_token": 1, "distillation_token": 1, "position_embeddings": PLACES}


def state() -> Tensors:
    """Random weights."""
    found = {name: torch.from_numpy(numbers) for name, numbers in seeded(shapes(), 3).items()}
    for name in [name for name in found if name.endswith("attention.output.dense.weight")]:
        found[name] *= 4  # random layers dull what differs between sounds
    return found


def build(folder: Path, config: dict[str, object] = CONFIG, weights: Tensors | None = None) -> EncoderSpec:
    """Writes what the encoder looks for."""
    files = {"config.json": config, "preprocessor_config.json": EXTRACTOR}
    written = {name: json.dumps(content).encode() for name, content in files.items()}
    put(AST, folder, {**written, "model.safetensors": save(weights or state(), {"format": "pt"})})
    return replace(SPEC, backbone=replace(SPEC.backbone, dim=DIM), head=replace(SPEC.head, dim=DIM))


SMALL = {SPEC.name: build}
