"""A small CLAP: the files of a repository on the hub, with random weights under the names that it has.
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
from tests.conformance.seeded import random_weights, write_source
from tests.conformance.small_ttmr import TEXT_DIM, TEXT_LAYERS, Shapes, bert_shapes, linear_shapes, norm_shapes
from tests.conformance.small_ttmr_pp import build_roberta_tokenizer
from workers.encoders.clap.encoder import MODELS, REGISTRATIONS
from workers.encoders.ttmr.encoder import HEADS

WORDS, POSITIONS, JOINT, PATCHES, DEPTHS, SPAN = 260, 514, 12, 8, (2, 1), 8
AUDIO_DIM = PATCHES * 2 ** (len(DEPTHS) - 1)

# The settings of larger_clap_music, except for sizes and defaults.
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
# The extractor's truncation is "fusion", although the net has none.
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


def clap_shapes() -> Shapes:
    """Return the shapes of all random weights in the file."""
    shapes = bert_shapes("text_model.", WORDS, POSITIONS, TEXT_DIM, kinds=1)
    shapes |= linear_shapes("text_model.pooler.dense", TEXT_DIM, TEXT_DIM)
    for side, dim in (("text", TEXT_DIM), ("audio", AUDIO_DIM)):
        shapes |= linear_shapes(f"{side}_projection.linear1", dim, JOINT)
        shapes |= linear_shapes(f"{side}_projection.linear2", JOINT, JOINT)
    audio = {"patch_embed.proj.weight": (PATCHES, 1, 4, 4), "patch_embed.proj.bias": (PATCHES,)}
    audio |= (
        norm_shapes("patch_embed.norm", PATCHES)
        | norm_shapes("norm", AUDIO_DIM)
        | norm_shapes("batch_norm", 64, batch=True)
    )
    for layer, depth in enumerate(DEPTHS):
        dim = PATCHES * 2**layer
        for block in range(depth):
            audio |= _block(f"layers.{layer}.blocks.{block}", dim)
        if layer < len(DEPTHS) - 1:
            audio |= {f"layers.{layer}.downsample.reduction.weight": (2 * dim, 4 * dim)}
            audio |= norm_shapes(f"layers.{layer}.downsample.norm", 4 * dim)
    return shapes | {f"audio_model.audio_encoder.{name}": shape for name, shape in audio.items()}


def relative_positions() -> torch.Tensor:
    """Return the row in the bias table for each two positions in a square of SPAN x SPAN [positions, positions]."""
    rows, columns = torch.meshgrid(torch.arange(SPAN), torch.arange(SPAN), indexing="ij")
    index = (rows * (2 * SPAN - 1) + columns).flatten()
    return index[:, None] - index[None] + (2 * SPAN - 1) * (SPAN - 1) + SPAN - 1


def _block(name: str, dim: int) -> Shapes:
    shapes = norm_shapes(f"{name}.layernorm_before", dim) | norm_shapes(f"{name}.layernorm_after", dim)
    shapes |= {f"{name}.attention.self.relative_position_bias_table": ((2 * SPAN - 1) ** 2, 2)}
    for part in ("self.query", "self.key", "self.value", "output.dense"):
        shapes |= linear_shapes(f"{name}.attention.{part}", dim, dim)
    return (
        shapes
        | linear_shapes(f"{name}.intermediate.dense", dim, 4 * dim)
        | linear_shapes(f"{name}.output.dense", 4 * dim, dim)
    )


def build_state(seed: int) -> dict[str, torch.Tensor]:
    """Build random weights, and the buffers that older versions of the library stored beside them."""
    weights = {name: torch.from_numpy(numbers) for name, numbers in random_weights(clap_shapes(), seed).items()}
    # Random layers blur the differences between sounds and between texts.
    for name, tensor in weights.items():
        if name.endswith(("attention.output.dense.weight", "word_embeddings.weight", "pooler.dense.weight")):
            tensor *= 4
    batch_norm = "audio_model.audio_encoder.batch_norm"
    weights[f"{batch_norm}.running_mean"] -= 40  # decibels, as of music
    weights[f"{batch_norm}.running_var"] *= 900
    weights[f"{batch_norm}.num_batches_tracked"] = torch.tensor(7)
    weights["text_model.embeddings.position_ids"] = torch.arange(POSITIONS)[None]
    for table in [name for name in weights if name.endswith("relative_position_bias_table")]:
        weights[table.replace("bias_table", "index")] = relative_positions()
    return weights | {f"logit_scale_{half}": torch.tensor(2.6593) for half in "at"}


def _builder(name: str, spec: EncoderSpec) -> Callable[[Path], EncoderSpec]:
    def build(folder: Path) -> EncoderSpec:
        weights = io.BytesIO()
        torch.save(build_state(list(MODELS).index(name)), weights)
        files = {
            "config.json": json.dumps(CONFIG).encode(),
            "preprocessor_config.json": json.dumps(EXTRACTOR).encode(),
            "tokenizer.json": build_roberta_tokenizer().to_str().encode(),
            "pytorch_model.bin": weights.getvalue(),  # as in both commits
        }
        write_source(MODELS[name], folder, files)
        return replace(spec, backbone=replace(spec.backbone, dim=JOINT), head=replace(spec.head, dim=JOINT))

    return build


SMALL = {entry.spec.name: _builder(entry.spec.name, entry.spec) for entry in REGISTRATIONS}
