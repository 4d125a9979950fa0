"""Small wav2vec 2.0, MERT, Whisper and EnCodec: the hub's files under their names, with random weights.

Names of weights: for wav2vec 2.0, Whisper and EnCodec those that huggingface/transformers' conversions write, below
src/transformers/models/: wav2vec2/convert_wav2vec2_original_pytorch_checkpoint_to_pytorch.py at 01279165,
whisper/convert_openai_to_hf.py at 01080c62, encodec/convert_encodec_checkpoint_to_pytorch.py at 01da4122. For MERT
yizhilll/MERT, scripts/convert_MERT_HF.py at 157dcbf6. Settings of MERT: mert_hf/configuration_MERT.py beside it, and
mert_fairseq/config/pretrain/MERT_RVQ-VAE_CQT_{95M,330M}.yaml at 23146928: one group norm (extractor_mode default) in
both, the norm before each layer (layer_norm_first) and attention_relax 32 in the larger alone, no DeepNorm.
"""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save as safetensors

from schemas.encoders import EncoderSpec
from tests.conformance.seeded import random_weights, write_source
from tests.conformance.small_ttmr import Shapes, linear_shapes, norm_shapes
from workers.encoders.pretrained_audio.encodec import ENCODEC
from workers.encoders.pretrained_audio.mert import MERT
from workers.encoders.pretrained_audio.wav2vec2 import WAV2VEC2
from workers.encoders.pretrained_audio.whisper import WHISPER
from workers.encoders.registry import ENCODERS
from workers.weights.sources import Source

DIM, LAYERS, HEADS, INNER, CHANNELS = 32, 2, 4, 48, 16
KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
POSITION_KERNEL, GROUPS = 16, 4  # of the convolution that gives positions
FILTERS, RATIOS, LATENT = 4, (8, 5, 4, 2), 16
MEL_BANDS, POSITIONS, WORDS = 80, 1500, 12

Settings = dict[str, Any]
Weights = dict[str, np.ndarray]


def hubert_shapes() -> Shapes:
    """Return the shapes of the weights of wav2vec 2.0, HuBERT and MERT, which are the same."""
    shapes: Shapes = {"masked_spec_embed": (DIM,)}
    for number, kernel in enumerate(KERNELS):
        channels_in = CHANNELS if number else 1
        shapes[f"feature_extractor.conv_layers.{number}.conv.weight"] = (CHANNELS, channels_in, kernel)
    shapes |= norm_shapes("feature_extractor.conv_layers.0.layer_norm", CHANNELS)
    shapes |= norm_shapes("feature_projection.layer_norm", CHANNELS)
    shapes |= linear_shapes("feature_projection.projection", CHANNELS, DIM)
    position_conv = "encoder.pos_conv_embed.conv"
    shapes |= {
        f"{position_conv}.weight_g": (1, 1, POSITION_KERNEL),
        f"{position_conv}.weight_v": (DIM, DIM // GROUPS, POSITION_KERNEL),
    }
    shapes |= {f"{position_conv}.bias": (DIM,)} | norm_shapes("encoder.layer_norm", DIM)
    for number in range(LAYERS):
        layer = f"encoder.layers.{number}"
        for projection in ("k", "v", "q", "out"):
            shapes |= linear_shapes(f"{layer}.attention.{projection}_proj", DIM, DIM)
        shapes |= linear_shapes(f"{layer}.feed_forward.intermediate_dense", DIM, INNER)
        shapes |= linear_shapes(f"{layer}.feed_forward.output_dense", INNER, DIM)
        shapes |= norm_shapes(f"{layer}.layer_norm", DIM) | norm_shapes(f"{layer}.final_layer_norm", DIM)
    return shapes


def hubert_settings(*, norm_first: bool = False) -> Settings:
    return {
        "hidden_size": DIM,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "feat_extract_norm": "group",
        "feat_extract_activation": "gelu",
        "conv_dim": [CHANNELS] * len(KERNELS),
        "conv_kernel": KERNELS,
        "conv_stride": STRIDES,
        "conv_bias": False,
        "num_conv_pos_embeddings": POSITION_KERNEL,
        "num_conv_pos_embedding_groups": GROUPS,
        "do_stable_layer_norm": norm_first,
    }


def mert_settings(name: str) -> Settings:
    larger = name == "mert-330m"
    return hubert_settings(norm_first=larger) | {
        "architectures": ["MERTModel"],
        "auto_map": {"AutoConfig": "configuration_MERT.MERTConfig", "AutoModel": "modeling_MERT.MERTModel"},
        "model_type": "mert_model",
        "sample_rate": 24_000,
        "feat_proj_layer_norm": True,
        "feature_extractor_cqt": False,
        "feature_extractor_cqt_bins": 336,
        "deepnorm": False,
        "attention_relax": 32.0 if larger else -1.0,
    }


def hubert_weights(name: str) -> Weights:
    return random_weights(hubert_shapes(), {"wav2vec2": 0, "mert-95m": 1, "mert-330m": 2}[name])


def whisper_shapes() -> Shapes:
    """Return the shapes of WhisperForConditionalGeneration's weights; its last layer shares the word embeddings."""
    shapes = {"encoder.conv1.weight": (DIM, MEL_BANDS, 3), "encoder.conv2.weight": (DIM, DIM, 3)}
    shapes |= {"encoder.conv1.bias": (DIM,), "encoder.conv2.bias": (DIM,)}
    shapes |= {"encoder.embed_positions.weight": (POSITIONS, DIM), "decoder.embed_positions.weight": (8, DIM)}
    shapes |= {"decoder.embed_tokens.weight": (WORDS, DIM)}
    for side, attentions in (("encoder", ("self_attn",)), ("decoder", ("self_attn", "encoder_attn"))):
        layer = f"{side}.layers.0"
        for attention in attentions:
            for projection in ("k", "v", "q", "out"):
                shapes |= linear_shapes(f"{layer}.{attention}.{projection}_proj", DIM, DIM)
            shapes.pop(f"{layer}.{attention}.k_proj.bias")
            shapes |= norm_shapes(f"{layer}.{attention}_layer_norm", DIM)
        shapes |= linear_shapes(f"{layer}.fc1", DIM, INNER) | linear_shapes(f"{layer}.fc2", INNER, DIM)
        shapes |= norm_shapes(f"{layer}.final_layer_norm", DIM) | norm_shapes(f"{side}.layer_norm", DIM)
    return {f"model.{name}": shape for name, shape in shapes.items()}


WHISPER_SETTINGS: Settings = {
    "model_type": "whisper",
    "architectures": ["WhisperForConditionalGeneration"],
    "d_model": DIM,
    "num_mel_bins": MEL_BANDS,
    "max_source_positions": POSITIONS,
    "max_target_positions": 8,
    "vocab_size": WORDS,
    **{f"{side}_layers": 1 for side in ("encoder", "decoder")},
    **{f"{side}_attention_heads": HEADS for side in ("encoder", "decoder")},
    **{f"{side}_ffn_dim": INNER for side in ("encoder", "decoder")},
    **{f"{token}_token_id": 1 for token in ("pad", "bos", "eos", "decoder_start")},
}


def encodec_shapes() -> Shapes:
    """Return the shapes of encoder, decoder and one codebook more than the bandwidths need."""
    shapes: Shapes = {}
    for side, number, channels_in, channels_out, kernel in _encodec_convs():
        name = f"{side}.layers.{number}.conv"
        transposed = side == "decoder" and number in (3, 6, 9, 12)
        shape = (channels_in, channels_out, kernel) if transposed else (channels_out, channels_in, kernel)
        shapes |= {f"{name}.weight_g": (shape[0], 1, 1), f"{name}.weight_v": shape, f"{name}.bias": (channels_out,)}
    for side, number in (("encoder", 13), ("decoder", 1)):
        size = FILTERS * 16
        for part, layer in ((part, layer) for part in ("ih", "hh") for layer in (0, 1)):
            lstm = f"{side}.layers.{number}.lstm"
            shapes |= {f"{lstm}.weight_{part}_l{layer}": (4 * size, size), f"{lstm}.bias_{part}_l{layer}": (4 * size,)}
    for number in range(2):
        book = f"quantizer.layers.{number}.codebook"
        shapes |= {f"{book}.inited": (1,), f"{book}.cluster_size": (1024,)}
        shapes |= {f"{book}.embed": (1024, LATENT), f"{book}.embed_avg": (1024, LATENT)}
    return shapes


def _encodec_convs() -> list[tuple[str, int | str, int, int, int]]:
    """List (side, layer, channels in, channels out, kernel) of every convolution."""
    convs: list[tuple[str, int | str, int, int, int]] = [("encoder", 0, 1, FILTERS, 7)]
    last = FILTERS * 16
    convs += [("encoder", 15, last, LATENT, 7), ("decoder", 0, LATENT, last, 7), ("decoder", 15, FILTERS, 1, 7)]
    for step, ratio in enumerate(reversed(RATIOS)):
        size = FILTERS * 2**step
        convs += [("encoder", 3 * step + 3, size, 2 * size, 2 * ratio), *_residual("encoder", 3 * step + 1, size)]
    for step, ratio in enumerate(RATIOS):
        size = last // 2**step
        convs += [
            ("decoder", 3 * step + 3, size, size // 2, 2 * ratio),
            *_residual("decoder", 3 * step + 4, size // 2),
        ]
    return convs


def _residual(side: str, number: int, size: int) -> list[tuple[str, int | str, int, int, int]]:
    parts = (("block.1", size, size // 2, 3), ("block.3", size // 2, size, 1), ("shortcut", size, size, 1))
    return [
        (side, f"{number}.{part}", channels_in, channels_out, kernel)
        for part, channels_in, channels_out, kernel in parts
    ]


ENCODEC_SETTINGS: Settings = {
    "model_type": "encodec",
    "architectures": ["EncodecModel"],
    "target_bandwidths": [1.5],
    "hidden_size": LATENT,
    "num_filters": FILTERS,
    "upsampling_ratios": RATIOS,
}


def serialise_waveform_model(settings: Settings, weights: Weights, sample_rate: int) -> dict[str, bytes]:
    """Return the files as these models' authors publish them, without safetensors."""
    preprocessor = {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "sampling_rate": sample_rate,
        "do_normalize": True,
    }
    file = io.BytesIO()
    torch.save({name: torch.from_numpy(numbers) for name, numbers in weights.items()}, file)
    texts = {"config.json": json.dumps(settings), "preprocessor_config.json": json.dumps(preprocessor)}
    return {name: text.encode() for name, text in texts.items()} | {"pytorch_model.bin": file.getvalue()}


def build_files(name: str) -> dict[str, bytes]:
    """Return the files of an encoder's repository on the hub."""
    if name == "wav2vec2":
        weights = {f"wav2vec2.{key}": numbers for key, numbers in hubert_weights(name).items()}
        weights |= random_weights({"quantizer.codevectors": (1, 8, 4)} | linear_shapes("project_hid", DIM, 4))
        settings = hubert_settings() | {"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForPreTraining"]}
        return serialise_waveform_model(settings, weights, 16_000)
    if name in MERT:
        return serialise_waveform_model(mert_settings(name), hubert_weights(name), 24_000)
    settings, shapes = {
        "whisper": (WHISPER_SETTINGS, whisper_shapes),
        "encodec": (ENCODEC_SETTINGS, encodec_shapes),
    }[name]
    return {"config.json": json.dumps(settings).encode(), "model.safetensors": safetensors(random_weights(shapes()))}


def _build(name: str, source: Source, dim: int, models: Path) -> EncoderSpec:
    write_source(source, models, build_files(name))
    spec = ENCODERS[name].spec
    return replace(spec, backbone=replace(spec.backbone, dim=dim), head=replace(spec.head, dim=dim))


SMALL: dict[str, Callable[[Path], EncoderSpec]] = {
    name: partial(_build, name, source, LATENT if source is ENCODEC else DIM)
    for name, source in {"wav2vec2": WAV2VEC2, "whisper": WHISPER, "encodec": ENCODEC, **MERT}.items()
}
