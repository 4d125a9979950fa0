"""Small MuQ and MuQ-MuLan: the released config.json files, and random weights under the released names.

Names are those of the package muq 0.1.0: muq/muq.py (`model.`), muq/models/muq_model.py (conv, conformer, linear,
cls_token, rvq), muq/modules/{conv,rvq}.py; muq_mulan/muq_mulan.py (`mulan.`), muq_mulan/models/{mulan,audio,text}.py,
muq_mulan/modules/{transformer,contrastive}.py; the conformer's and the text model's are transformers'. The package's
MuQ with the released config, as a safetensors file, is 1,333,825,096 bytes long, the released one's very length; its
MuQMuLan holds 2,653,614,972 bytes of numbers, and the released pytorch_model.bin is 2,653,954,401 bytes long.
"""

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from schemas.encoders import EncoderSpec
from tests.conformance.seeded import random_weights, write_source
from tests.conformance.small_ttmr import LETTERS, Shapes, bert_shapes, linear_shapes, norm_shapes
from workers.encoders.muq import encoder as muq
from workers.encoders.muq import mulan as muq_mulan

HEADS, MORE_HEADS = 16, 8  # of the released configs
BANDS, KERNEL, POSITIONS, TEXT_POSITIONS = 128, 31, 128, 514


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of both networks; the defaults are the published ones."""

    channels: int = 512
    dim: int = 1024
    layers: int = 12
    inner: int = 4096
    codes: int = 1024
    words: int = 250_002
    text: int = 768
    text_layers: int = 12
    more_layers: int = 8
    head: int = 64
    joint: int = 512


LITTLE = Sizes(8, 32, 2, 64, 2, 0, 24, 2, 2, 4, 16)

MULAN_CONFIG = {
    "mulan": {
        "sr": 24000,
        "clip_secs": 10,
        "dim_latent": 512,
        "decoupled_contrastive_learning": True,
        "hierarchical_contrastive_loss": False,
        "hierarchical_contrastive_loss_layers": None,
        "sigmoid_contrastive_loss": False,
        "rank_contrast": True,
    },
    "audio_model": {"name": "OpenMuQ/MuQ-large-msd-iter", "model_dim": 1024, "use_layer_idx": -1},
    "text_model": {"name": "xlm-roberta-base", "model_dim": None, "use_layer_idx": -1},
}
_DROPOUT = {"attn_dropout": 0, "ff_dropout": 0, "ff_mult": 4}
MULAN_CONFIG["audio_transformer"] = {"dim": 768, "tf_depth": 0, "heads": 8, "dim_head": 64} | _DROPOUT
MULAN_CONFIG["text_transformer"] = {"dim": 768, "tf_depth": 8, "max_seq_len": 1024, "dim_head": 64, "heads": 8}
MULAN_CONFIG["text_transformer"] |= _DROPOUT


def muq_config() -> bytes:
    """Return the part of the released file that is read, with its values."""
    mel = {"melspec_2048_mean": 6.768444971712967, "melspec_2048_std": 18.417922652295623}
    conformer = {"num_attention_heads": HEADS, "position_embeddings_type": "rotary", "hidden_act": "swish"}
    return json.dumps({"hop_length": 240, "label_rate": 25, "stat": mel, "w2v2_config": conformer}).encode()


def mulan_config() -> bytes:
    """Return the released file, byte by byte."""
    return json.dumps(MULAN_CONFIG, indent=2).encode()


def muq_shapes(sizes: Sizes = LITTLE) -> Shapes:
    """Return the shapes of muq.MuQ's weights, without buffers that are not random."""
    shapes: Shapes = {"cls_token": (sizes.dim,)} | linear_shapes("linear", sizes.dim, 8 * sizes.codes)
    for block, channels_in in ((0, 1), (1, sizes.channels)):
        for number, channels in ((1, channels_in), (2, sizes.channels), (3, channels_in)):
            name = f"conv.conv.{block}"
            shapes |= {f"{name}.conv{number}.weight": (sizes.channels, channels, 3, 3)}
            shapes |= {f"{name}.conv{number}.bias": (sizes.channels,)}
            shapes |= norm_shapes(f"{name}.bn{number}", sizes.channels, batch=True)
    shapes |= linear_shapes("conv.linear", sizes.channels * BANDS // 4, sizes.dim)
    shapes |= norm_shapes("conformer.layer_norm", sizes.dim)
    position_conv = "conformer.pos_conv_embed.conv"
    shapes |= {
        f"{position_conv}.parametrizations.weight.original0": (1, 1, POSITIONS),
        f"{position_conv}.bias": (sizes.dim,),
    }
    shapes |= {f"{position_conv}.parametrizations.weight.original1": (sizes.dim, sizes.dim // 16, POSITIONS)}
    for number in range(sizes.layers):
        shapes |= _conformer_layer(f"conformer.layers.{number}", sizes)
    for number in range(8):
        name, mel = f"rvq.quantizers.{number}", 4 * BANDS
        shapes |= {f"{name}.stale_counter": (sizes.codes,), f"{name}.codebook.weight": (sizes.codes, 16)}
        shapes |= {f"{name}.in_proj.bias": (16,), f"{name}.out_proj.bias": (mel,)}
        shapes |= {f"{name}.in_proj.weight_g": (16, 1, 1), f"{name}.in_proj.weight_v": (16, mel, 1)}
        shapes |= {f"{name}.out_proj.weight_g": (mel, 1, 1), f"{name}.out_proj.weight_v": (mel, 16, 1)}
    return {f"model.{name}": shape for name, shape in shapes.items()}


def _conformer_layer(name: str, sizes: Sizes) -> Shapes:
    shapes: Shapes = {}
    for half in ("ffn1", "ffn2"):
        shapes |= linear_shapes(f"{name}.{half}.intermediate_dense", sizes.dim, sizes.inner)
        shapes |= linear_shapes(f"{name}.{half}.output_dense", sizes.inner, sizes.dim)
    for part in ("ffn1_layer_norm", "ffn2_layer_norm", "self_attn_layer_norm", "final_layer_norm"):
        shapes |= norm_shapes(f"{name}.{part}", sizes.dim)
    for part in ("q", "k", "v", "out"):
        shapes |= linear_shapes(f"{name}.self_attn.linear_{part}", sizes.dim, sizes.dim)
    conv = f"{name}.conv_module"
    shapes |= norm_shapes(f"{conv}.layer_norm", sizes.dim) | norm_shapes(f"{conv}.batch_norm", sizes.dim, batch=True)
    shapes |= {f"{conv}.pointwise_conv1.weight": (2 * sizes.dim, sizes.dim, 1)}
    shapes |= {f"{conv}.depthwise_conv.weight": (sizes.dim, 1, KERNEL)}
    return shapes | {f"{conv}.pointwise_conv2.weight": (sizes.dim, sizes.dim, 1)}


def mulan_shapes(sizes: Sizes = LITTLE) -> Shapes:
    """Return the shapes of muq.MuQMuLan's weights, without buffers that are not random."""
    shapes = {f"audio.model.{name}": shape for name, shape in muq_shapes(sizes).items()}
    shapes |= {
        "contrast.temperatures": (1, 1, 1),
        "audio.aggregator.weight": (1, 25, 1),
        "audio.aggregator.bias": (1,),
    }
    shapes |= linear_shapes("audio.proj", sizes.dim, sizes.text)
    shapes |= bert_shapes(
        "text.model.", sizes.words or len(word_pieces()), TEXT_POSITIONS, sizes.text, 1, sizes.text_layers
    )
    shapes |= linear_shapes("text.model.pooler.dense", sizes.text, sizes.text)
    shapes |= linear_shapes("audio_to_latents", sizes.text, sizes.joint)
    shapes |= linear_shapes("text_to_latents", sizes.text, sizes.joint)
    inner = int(sizes.text * 4 * 2 / 3)
    for number in range(sizes.more_layers):
        attention, gated = (f"text.transformer.layers.{number}.{half}" for half in (0, 1))
        shapes |= {f"{attention}.{name}_scale": (sizes.head,) for name in "qk"}
        shapes |= {f"{name}.learned_gamma": (sizes.text,) for name in (f"{attention}.norm", f"{gated}.0")}
        shapes |= {f"{attention}.to_q.weight": (MORE_HEADS * sizes.head, sizes.text)}
        shapes |= {f"{attention}.to_kv.weight": (2 * MORE_HEADS * sizes.head, sizes.text)}
        shapes |= {f"{attention}.to_out.0.weight": (sizes.text, MORE_HEADS * sizes.head)}
        shapes |= {f"{gated}.1.weight": (2 * inner, sizes.text), f"{gated}.4.weight": (sizes.text, inner)}
    return {f"mulan.{name}": shape for name, shape in shapes.items()}


def build_state(shapes: Shapes) -> dict[str, torch.Tensor]:
    """Build random weights of these shapes, and the buffers."""
    weights = {name: torch.from_numpy(numbers) for name, numbers in random_weights(shapes, 11).items()}
    for name in weights:
        if name.endswith(("learned_gamma", "_scale")):
            weights[name] += 1
    return weights | build_buffers(shapes)


def build_buffers(shapes: Shapes) -> dict[str, torch.Tensor]:
    """Build the buffers: counts of batches, and the frequencies of rotary positions."""
    buffers = {}
    for name, shape in shapes.items():
        if "_var" in name:
            buffers[name.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
        if name.endswith("conformer.layer_norm.bias"):
            frequencies = 10_000.0 ** -np.arange(0, 1, 2 * HEADS / shape[0])
            buffer = name.replace("layer_norm.bias", "embed_positions.inv_freq")
            buffers[buffer] = torch.from_numpy(frequencies).float()
    return buffers


def word_pieces() -> list[str]:
    """Return XLM-RoBERTa's vocabulary, reduced to letters and a few pairs."""
    letters = [*LETTERS, "音", "楽", "é", "▁"]
    return ["<s>", "<pad>", "</s>", "<unk>", *letters, "▁b", "an", "jo", "ow"]


def build_tokenizer() -> Tokenizer:
    """Build xlm-roberta-base's tokenizer.json, except for its vocabulary and its table of characters."""
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0 - len(piece) / 10) for piece in word_pieces()], unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.post_processor = processors.TemplateProcessing(
        "<s> $A </s>", "<s> $A </s> </s> $B </s>", [("<s>", 0), ("</s>", 2)]
    )
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def small_muq(folder: Path) -> EncoderSpec:
    """Write the files of a small `muq` and return its spec."""
    write_source(muq.MUQ, folder, {"config.json": muq_config(), "model.safetensors": save(build_state(muq_shapes()))})
    return _resized(muq.SPEC, LITTLE.dim)


def small_mulan(folder: Path) -> EncoderSpec:
    """Write the files of a small `muq-mulan` and return its spec."""
    file = io.BytesIO()
    torch.save(build_state(mulan_shapes()), file)
    write_source(muq_mulan.MULAN, folder, {"config.json": mulan_config(), "pytorch_model.bin": file.getvalue()})
    write_source(muq_mulan.MUQ_SETTINGS, folder, {"config.json": muq_config()})
    write_source(muq_mulan.XLM_R_TOKENIZER, folder, {"tokenizer.json": build_tokenizer().to_str().encode()})
    return _resized(muq_mulan.SPEC, LITTLE.joint)


def _resized(spec: EncoderSpec, dim: int) -> EncoderSpec:
    return replace(spec, backbone=replace(spec.backbone, dim=dim), head=replace(spec.head, dim=dim))


SMALL = {muq.SPEC.name: small_muq, muq_mulan.SPEC.name: small_mulan}
