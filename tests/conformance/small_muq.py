"""MuQ and MuQ-MuLan built small: the released config.json files, and state dicts of random weights under their names.

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
from tests.conformance.seeded import put, seeded
from tests.conformance.small_ttmr import LETTERS, Shapes, bert_shapes, linear, norm
from workers.encoders.muq import encoder as muq
from workers.encoders.muq import mulan as muq_mulan

HEADS, MORE_HEADS = 16, 8  # of the released configs
BANDS, KERNEL, PLACES, TEXT_PLACES = 128, 31, 128, 514


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of both networks; those below are the published ones."""

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
    """What is read of the released file, with its values."""
    mel = {"melspec_2048_mean": 6.768444971712967, "melspec_2048_std": 18.417922652295623}
    conformer = {"num_attention_heads": HEADS, "position_embeddings_type": "rotary", "hidden_act": "swish"}
    return json.dumps({"hop_length": 240, "label_rate": 25, "stat": mel, "w2v2_config": conformer}).encode()


def mulan_config() -> bytes:
    """The released file, byte by byte."""
    return json.dumps(MULAN_CONFIG, indent=2).encode()


def muq_shapes(of: Sizes = LITTLE) -> Shapes:
    """Weights of muq.MuQ, without buffers that are no random numbers."""
    found: Shapes = {"cls_token": (of.dim,)} | linear("linear", of.dim, 8 * of.codes)
    for block, before in ((0, 1), (1, of.channels)):
        for number, channels in ((1, before), (2, of.channels), (3, before)):
            name = f"conv.conv.{block}"
            found |= {f"{name}.conv{number}.weight": (of.channels, channels, 3, 3)}
            found |= {f"{name}.conv{number}.bias": (of.channels,)} | norm(
                f"{name}.bn{number}", of.channels, batch=True
            )
    found |= linear("conv.linear", of.channels * BANDS // 4, of.dim) | norm("conformer.layer_norm", of.dim)
    places = "conformer.pos_conv_embed.conv"
    found |= {f"{places}.parametrizations.weight.original0": (1, 1, PLACES), f"{places}.bias": (of.dim,)}
    found |= {f"{places}.parametrizations.weight.original1": (of.dim, of.dim // 16, PLACES)}
    for number in range(of.layers):
        found |= _conformer_layer(f"conformer.layers.{number}", of)
    for number in range(8):
        name, mel = f"rvq.quantizers.{number}", 4 * BANDS
        found |= {f"{name}.stale_counter": (of.codes,), f"{name}.codebook.weight": (of.codes, 16)}
        found |= {f"{name}.in_proj.bias": (16,), f"{name}.out_proj.bias": (mel,)}
        found |= {f"{name}.in_proj.weight_g": (16, 1, 1), f"{name}.in_proj.weight_v": (16, mel, 1)}
        found |= {f"{name}.out_proj.weight_g": (mel, 1, 1), f"{name}.out_proj.weight_v": (mel, 16, 1)}
    return {f"model.{name}": shape for name, shape in found.items()}


def _conformer_layer(name: str, of: Sizes) -> Shapes:
    found: Shapes = {}
    for half in ("ffn1", "ffn2"):
        found |= linear(f"{name}.{half}.intermediate_dense", of.dim, of.inner)
        found |= linear(f"{name}.{half}.output_dense", of.inner, of.dim)
    for part in ("ffn1_layer_norm", "ffn2_layer_norm", "self_attn_layer_norm", "final_layer_norm"):
        found |= norm(f"{name}.{part}", of.dim)
    for part in ("q", "k", "v", "out"):
        found |= linear(f"{name}.self_attn.linear_{part}", of.dim, of.dim)
    conv = f"{name}.conv_module"
    found |= norm(f"{conv}.layer_norm", of.dim) | norm(f"{conv}.batch_norm", of.dim, batch=True)
    found |= {f"{conv}.pointwise_conv1.weight": (2 * of.dim, of.dim, 1)}
    found |= {f"{conv}.depthwise_conv.weight": (of.dim, 1, KERNEL)}
    return found | {f"{conv}.pointwise_conv2.weight": (of.dim, of.dim, 1)}


def mulan_shapes(of: Sizes = LITTLE) -> Shapes:
    """Weights of muq.MuQMuLan, without buffers that are no random numbers."""
    found = {f"audio.model.{name}": shape for name, shape in muq_shapes(of).items()}
    found |= {"contrast.temperatures": (1, 1, 1), "audio.aggregator.weight": (1, 25, 1), "audio.aggregator.bias": (1,)}
    found |= linear("audio.proj", of.dim, of.text)
    found |= bert_shapes("text.model.", of.words or len(pieces()), TEXT_PLACES, of.text, 1, of.text_layers)
    found |= linear("text.model.pooler.dense", of.text, of.text)
    found |= linear("audio_to_latents", of.text, of.joint) | linear("text_to_latents", of.text, of.joint)
    inner = int(of.text * 4 * 2 / 3)
    for number in range(of.more_layers):
        attention, gated = (f"text.transformer.layers.{number}.{half}" for half in (0, 1))
        found |= {f"{attention}.{name}_scale": (of.head,) for name in "qk"}
        found |= {f"{name}.learned_gamma": (of.text,) for name in (f"{attention}.norm", f"{gated}.0")}
        found |= {f"{attention}.to_q.weight": (MORE_HEADS * of.head, of.text)}
        found |= {f"{attention}.to_kv.weight": (2 * MORE_HEADS * of.head, of.text)}
        found |= {f"{attention}.to_out.0.weight": (of.text, MORE_HEADS * of.head)}
        found |= {f"{gated}.1.weight": (2 * inner, of.text), f"{gated}.4.weight": (of.text, inner)}
    return {f"mulan.{name}": shape for name, shape in found.items()}


def state(shapes: Shapes) -> dict[str, torch.Tensor]:
    """Random weights of these shapes, with the buffers beside them."""
    found = {name: torch.from_numpy(numbers) for name, numbers in seeded(shapes, 11).items()}
    for name in found:
        if name.endswith(("learned_gamma", "_scale")):
            found[name] += 1
    return found | buffers(shapes)


def buffers(shapes: Shapes) -> dict[str, torch.Tensor]:
    """Counts of batches, and the speeds of rotary places."""
    found = {name.replace("running_var", "num_batches_tracked"): torch.tensor(7) for name in shapes if "_var" in name}
    for name in shapes:
        if name.endswith("conformer.layer_norm.bias"):
            speeds = 10_000.0 ** -np.arange(0, 1, 2 * HEADS / shapes[name][0])
            found[name.replace("layer_norm.bias", "embed_positions.inv_freq")] = torch.from_numpy(speeds).float()
    return found


def pieces() -> list[str]:
    """XLM-RoBERTa's vocabulary, cut down to letters and a few pairs."""
    letters = [*LETTERS, "音", "楽", "é", "▁"]
    return ["<s>", "<pad>", "</s>", "<unk>", *letters, "▁b", "an", "jo", "ow"]


def tokenizer() -> Tokenizer:
    """xlm-roberta-base's tokenizer.json but for its vocabulary and its table of characters."""
    found = Tokenizer(models.Unigram([(piece, -1.0 - len(piece) / 10) for piece in pieces()], unk_id=3))
    found.normalizer = normalizers.NFKC()
    found.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    found.post_processor = processors.TemplateProcessing(
        "<s> $A </s>", "<s> $A </s> </s> $B </s>", [("<s>", 0), ("</s>", 2)]
    )
    found.decoder = decoders.Metaspace()
    return found


def small_muq(folder: Path) -> EncoderSpec:
    """Writes what `muq` looks for."""
    put(muq.MUQ, folder, {"config.json": muq_config(), "model.safetensors": save(state(muq_shapes()))})
    return _resized(muq.SPEC, LITTLE.dim)


def small_mulan(folder: Path) -> EncoderSpec:
    """Writes what `muq-mulan` looks for."""
    file = io.BytesIO()
    torch.save(state(mulan_shapes()), file)
    put(muq_mulan.MULAN, folder, {"config.json": mulan_config(), "pytorch_model.bin": file.getvalue()})
    put(muq_mulan.MUQ_SETTINGS, folder, {"config.json": muq_config()})
    put(muq_mulan.XLM_R_TOKENIZER, folder, {"tokenizer.json": tokenizer().to_str().encode()})
    return _resized(muq_mulan.SPEC, LITTLE.joint)


def _resized(spec: EncoderSpec, dim: int) -> EncoderSpec:
    return replace(spec, backbone=replace(spec.backbone, dim=dim), head=replace(spec.head, dim=dim))


SMALL = {muq.SPEC.name: small_muq, muq_mulan.SPEC.name: small_mulan}
