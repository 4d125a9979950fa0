"""CLAP built small: the files of a repository on the hub, random weights under the names that are kept there.

The names are those of transformers.ClapModel, into which convert_clap_original_pytorch_to_hf.py (below
src/transformers/models/clap/ of huggingface/transformers at 3ce159c7) renames LAION's.
"""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from schemas.encoders import EncoderSpec
from tests.conformance.seeded import put, seeded
from tests.conformance.small_ttmr import TEXT_DIM, TEXT_LAYERS, Shapes, bert_shapes, linear, norm
from tests.conformance.small_ttmr_pp import roberta_tokenizer
from workers.encoders.clap.encoder import ENTRIES, MODELS
from workers.encoders.ttmr.encoder import HEADS

WORDS, PLACES, JOINT, PATCHES, DEPTHS, SPAN = 260, 514, 12, 8, (2, 1), 8
AUDIO_DIM = PATCHES * 2 ** (len(DEPTHS) - 1)

# What larger_clap_music says but for sizes and the names of defaults.
CONFIG = {
    "architectures": ["ClapModel"],
    "model_type": "clap",
    "projection_dim": JOINT,
    "text_config": {
        "projection_dim": JOINT,
        "vocab_size": WORDS,
        "hidden_size": TEXT_DIM,
        "num_hidden_layers": TEXT_LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": 4 * TEXT_DIM,
    },
    "audio_config": {
        "projection_dim": JOINT,
        "depths": DEPTHS,
        "num_attention_heads": [2] * len(DEPTHS),
        "patch_embeds_hidden_size": PATCHES,
        "hidden_size": AUDIO_DIM,
        "num_hidden_layers": len(DEPTHS),
        "enable_fusion": False,
    },
}
# Its extractor speaks of fusion though the net has none.
EXTRACTOR = {
    "feature_extractor_type": "ClapFeatureExtractor",
    "feature_size": 64,
    "sampling_rate": 48_000,
    "hop_length": 480,
    "max_length_s": 10,
    "fft_window_size": 1024,
    "frequency_min": 50,
    "frequency_max": 14_000,
    "padding": "repeatpad",
    "truncation": "fusion",
}


def shapes() -> Shapes:
    """Of everything random in the file."""
    found = bert_shapes("text_model.", WORDS, PLACES, TEXT_DIM, kinds=1)
    found |= linear("text_model.pooler.dense", TEXT_DIM, TEXT_DIM)
    for half, dim in (("text", TEXT_DIM), ("audio", AUDIO_DIM)):
        found |= linear(f"{half}_projection.linear1", dim, JOINT) | linear(f"{half}_projection.linear2", JOINT, JOINT)
    audio = {"patch_embed.proj.weight": (PATCHES, 1, 4, 4), "patch_embed.proj.bias": (PATCHES,)}
    audio |= norm("patch_embed.norm", PATCHES) | norm("norm", AUDIO_DIM) | norm("batch_norm", 64, batch=True)
    for layer, depth in enumerate(DEPTHS):
        dim = PATCHES * 2**layer
        for block in range(depth):
            audio |= _block(f"layers.{layer}.blocks.{block}", dim)
        if layer < len(DEPTHS) - 1:
            audio |= {f"layers.{layer}.downsample.reduction.weight": (2 * dim, 4 * dim)}
            audio |= norm(f"layers.{layer}.downsample.norm", 4 * dim)
    return found | {f"audio_model.audio_encoder.{name}": shape for name, shape in audio.items()}


def pairs() -> torch.Tensor:
    """For each two places in a square of SPAN x SPAN the row of their offset in the bias table [places, places]."""
    rows, columns = torch.meshgrid(torch.arange(SPAN), torch.arange(SPAN), indexing="ij")
    place = (rows * (2 * SPAN - 1) + columns).flatten()
    return place[:, None] - place[None] + (2 * SPAN - 1) * (SPAN - 1) + SPAN - 1


def _block(name: str, dim: int) -> Shapes:
    found = norm(f"{name}.layernorm_before", dim) | norm(f"{name}.layernorm_after", dim)
    found |= {f"{name}.attention.self.relative_position_bias_table": ((2 * SPAN - 1) ** 2, 2)}
    for part in ("self.query", "self.key", "self.value", "output.dense"):
        found |= linear(f"{name}.attention.{part}", dim, dim)
    return found | linear(f"{name}.intermediate.dense", dim, 4 * dim) | linear(f"{name}.output.dense", 4 * dim, dim)


def state(seed: int) -> dict[str, torch.Tensor]:
    """Random weights, and numbers that older versions of the library kept beside them."""
    found = {name: torch.from_numpy(numbers) for name, numbers in seeded(shapes(), seed).items()}
    # Random layers dull what differs between sounds and between texts.
    for name, tensor in found.items():
        if name.endswith(("attention.output.dense.weight", "word_embeddings.weight", "pooler.dense.weight")):
            tensor *= 4
    first = "audio_model.audio_encoder.batch_norm"
    found[f"{first}.running_mean"] -= 40  # decibels, as of music
    found[f"{first}.running_var"] *= 900
    found[f"{first}.num_batches_tracked"] = torch.tensor(7)
    found["text_model.embeddings.position_ids"] = torch.arange(PLACES)[None]
    for table in [name for name in found if name.endswith("relative_position_bias_table")]:
        found[table.replace("bias_table", "index")] = pairs()
    return found | {f"logit_scale_{half}": torch.tensor(2.6593) for half in "at"}


def _builder(name: str, spec: EncoderSpec) -> Callable[[Path], EncoderSpec]:
    def build(folder: Path) -> EncoderSpec:
        weights = io.BytesIO()
        torch.save(state(list(MODELS).index(name)), weights)
        files = {
            "config.json": json.dumps(CONFIG).encode(),
            "preprocessor_config.json": json.dumps(EXTRACTOR).encode(),
            "tokenizer.json": roberta_tokenizer().to_str().encode(),
            "pytorch_model.bin": weights.getvalue(),  # as both commits hold it
        }
        put(MODELS[name], folder, files)
        return replace(spec, backbone=replace(spec.backbone, dim=JOINT), head=replace(spec.head, dim=JOINT))

    return build


SMALL = {entry.spec.name: _builder(entry.spec.name, entry.spec) for entry in ENTRIES}
