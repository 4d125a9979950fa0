"""wav2vec 2.0, MERT, Whisper and EnCodec built small: the hub's files under their names, with random weights.

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
from tests.conformance.seeded import put, seeded
from tests.conformance.small_ttmr import Shapes, linear, norm
from workers.encoders.pretrained_audio.encodec import ENCODEC
from workers.encoders.pretrained_audio.mert import MERT
from workers.encoders.pretrained_audio.wav2vec2 import WAV2VEC2
from workers.encoders.pretrained_audio.whisper import WHISPER
from workers.encoders.registry import ENCODERS
from workers.weights.cache import Source

DIM, LAYERS, HEADS, INNER, CHANNELS = 32, 2, 4, 48, 16
KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
NEAR, GROUPS = 16, 4  # of the convolution that tells places
FILTERS, RATIOS, LATENT = 4, (8, 5, 4, 2), 16
MEL_BANDS, PLACES, WORDS = 80, 1500, 12

Settings = dict[str, Any]
Weights = dict[str, np.ndarray]


def hubert_shapes() -> Shapes:
    """Of wav2vec 2.0, HuBERT and MERT alike."""
    found: Shapes = {"masked_spec_embed": (DIM,)}
    for number, kernel in enumerate(KERNELS):
        before = CHANNELS if number else 1
        found[f"feature_extractor.conv_layers.{number}.conv.weight"] = (CHANNELS, before, kernel)
    found |= norm("feature_extractor.conv_layers.0.layer_norm", CHANNELS)
    found |= norm("feature_projection.layer_norm", CHANNELS) | linear("feature_projection.projection", CHANNELS, DIM)
    places = "encoder.pos_conv_embed.conv"
    found |= {f"{places}.weight_g": (1, 1, NEAR), f"{places}.weight_v": (DIM, DIM // GROUPS, NEAR)}
    found |= {f"{places}.bias": (DIM,)} | norm("encoder.layer_norm", DIM)
    for number in range(LAYERS):
        layer = f"encoder.layers.{number}"
        for one in ("k", "v", "q", "out"):
            found |= linear(f"{layer}.attention.{one}_proj", DIM, DIM)
        found |= linear(f"{layer}.feed_forward.intermediate_dense", DIM, INNER)
        found |= linear(f"{layer}.feed_forward.output_dense", INNER, DIM)
        found |= norm(f"{layer}.layer_norm", DIM) | norm(f"{layer}.final_layer_norm", DIM)
    return found


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
        "num_conv_pos_embeddings": NEAR,
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
    return seeded(hubert_shapes(), {"wav2vec2": 0, "mert-95m": 1, "mert-330m": 2}[name])


def whisper_shapes() -> Shapes:
    """Of WhisperForConditionalGeneration, whose last layer is the table of words again and is not kept."""
    found = {"encoder.conv1.weight": (DIM, MEL_BANDS, 3), "encoder.conv2.weight": (DIM, DIM, 3)}
    found |= {"encoder.conv1.bias": (DIM,), "encoder.conv2.bias": (DIM,)}
    found |= {"encoder.embed_positions.weight": (PLACES, DIM), "decoder.embed_positions.weight": (8, DIM)}
    found |= {"decoder.embed_tokens.weight": (WORDS, DIM)}
    for side, attentions in (("encoder", ("self_attn",)), ("decoder", ("self_attn", "encoder_attn"))):
        layer = f"{side}.layers.0"
        for attention in attentions:
            for one in ("k", "v", "q", "out"):
                found |= linear(f"{layer}.{attention}.{one}_proj", DIM, DIM)
            found.pop(f"{layer}.{attention}.k_proj.bias")
            found |= norm(f"{layer}.{attention}_layer_norm", DIM)
        found |= linear(f"{layer}.fc1", DIM, INNER) | linear(f"{layer}.fc2", INNER, DIM)
        found |= norm(f"{layer}.final_layer_norm", DIM) | norm(f"{side}.layer_norm", DIM)
    return {f"model.{name}": shape for name, shape in found.items()}


WHISPER_SETTINGS: Settings = {
    "model_type": "whisper",
    "architectures": ["WhisperForConditionalGeneration"],
    "d_model": DIM,
    "num_mel_bins": MEL_BANDS,
    "max_source_positions": PLACES,
    "max_target_positions": 8,
    "vocab_size": WORDS,
    **{f"{side}_layers": 1 for side in ("encoder", "decoder")},
    **{f"{side}_attention_heads": HEADS for side in ("encoder", "decoder")},
    **{f"{side}_ffn_dim": INNER for side in ("encoder", "decoder")},
    **{f"{token}_token_id": 1 for token in ("pad", "bos", "eos", "decoder_start")},
}


def encodec_shapes() -> Shapes:
    """Encoder, decoder and one codebook more than its bandwidths need."""
    found: Shapes = {}
    for side, number, before, after, kernel in _encodec_convs():
        name = f"{side}.layers.{number}.conv"
        turned = side == "decoder" and number in (3, 6, 9, 12)
        shape = (before, after, kernel) if turned else (after, before, kernel)
        found |= {f"{name}.weight_g": (shape[0], 1, 1), f"{name}.weight_v": shape, f"{name}.bias": (after,)}
    for side, number in (("encoder", 13), ("decoder", 1)):
        size = FILTERS * 16
        for part, layer in ((part, layer) for part in ("ih", "hh") for layer in (0, 1)):
            lstm = f"{side}.layers.{number}.lstm"
            found |= {f"{lstm}.weight_{part}_l{layer}": (4 * size, size), f"{lstm}.bias_{part}_l{layer}": (4 * size,)}
    for number in range(2):
        book = f"quantizer.layers.{number}.codebook"
        found |= {f"{book}.inited": (1,), f"{book}.cluster_size": (1024,)}
        found |= {f"{book}.embed": (1024, LATENT), f"{book}.embed_avg": (1024, LATENT)}
    return found


def _encodec_convs() -> list[tuple[str, int | str, int, int, int]]:
    """Side, place, channels before and after, kernel."""
    found: list[tuple[str, int | str, int, int, int]] = [("encoder", 0, 1, FILTERS, 7)]
    last = FILTERS * 16
    found += [("encoder", 15, last, LATENT, 7), ("decoder", 0, LATENT, last, 7), ("decoder", 15, FILTERS, 1, 7)]
    for step, ratio in enumerate(reversed(RATIOS)):
        size = FILTERS * 2**step
        found += [("encoder", 3 * step + 3, size, 2 * size, 2 * ratio), *_residual("encoder", 3 * step + 1, size)]
    for step, ratio in enumerate(RATIOS):
        size = last // 2**step
        found += [
            ("decoder", 3 * step + 3, size, size // 2, 2 * ratio),
            *_residual("decoder", 3 * step + 4, size // 2),
        ]
    return found


def _residual(side: str, number: int, size: int) -> list[tuple[str, int | str, int, int, int]]:
    parts = (("block.1", size, size // 2, 3), ("block.3", size // 2, size, 1), ("shortcut", size, size, 1))
    return [(side, f"{number}.{part}", before, after, kernel) for part, before, after, kernel in parts]


ENCODEC_SETTINGS: Settings = {
    "model_type": "encodec",
    "architectures": ["EncodecModel"],
    "target_bandwidths": [1.5],
    "hidden_size": LATENT,
    "num_filters": FILTERS,
    "upsampling_ratios": RATIOS,
}


def wave_files(settings: Settings, weights: Weights, sample_rate: int) -> dict[str, bytes]:
    """As these models' authors keep them: no safetensors, and settings for Wav2Vec2FeatureExtractor."""
    heard = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": sample_rate, "do_normalize": True}
    file = io.BytesIO()
    torch.save({name: torch.from_numpy(numbers) for name, numbers in weights.items()}, file)
    texts = {"config.json": json.dumps(settings), "preprocessor_config.json": json.dumps(heard)}
    return {name: text.encode() for name, text in texts.items()} | {"pytorch_model.bin": file.getvalue()}


def files_of(name: str) -> dict[str, bytes]:
    """What the hub holds of an encoder."""
    if name == "wav2vec2":
        weights = {f"wav2vec2.{key}": numbers for key, numbers in hubert_weights(name).items()}
        weights |= seeded({"quantizer.codevectors": (1, 8, 4)} | linear("project_hid", DIM, 4))
        settings = hubert_settings() | {"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForPreTraining"]}
        return wave_files(settings, weights, 16_000)
    if name in MERT:
        return wave_files(mert_settings(name), hubert_weights(name), 24_000)
    settings, shapes = {
        "whisper": (WHISPER_SETTINGS, whisper_shapes),
        "encodec": (ENCODEC_SETTINGS, encodec_shapes),
    }[name]
    return {"config.json": json.dumps(settings).encode(), "model.safetensors": safetensors(seeded(shapes()))}


def _build(name: str, source: Source, dim: int, models: Path) -> EncoderSpec:
    put(source, models, files_of(name))
    spec = ENCODERS[name].spec
    return replace(spec, backbone=replace(spec.backbone, dim=dim), head=replace(spec.head, dim=dim))


SMALL: dict[str, Callable[[Path], EncoderSpec]] = {
    name: partial(_build, name, source, LATENT if source is ENCODEC else DIM)
    for name, source in {"wav2vec2": WAV2VEC2, "whisper": WHISPER, "encodec": ENCODEC, **MERT}.items()
}
