"""MuQ and MuQ-MuLan built small: the released config.json files, and state dicts of random weights under their names.

Names are those of the package muq 0.1.0: muq/muq.py (`model.`), muq/models/muq_model.py (conv, conformer, linear,
cls_token, rvq), muq/modules/{conv,rvq}.py; muq_mulan/muq_mulan.py (`mulan.`), muq_mulan/models/{mulan,audio,text}.py,
muq_mulan/modules/{transformer,contrastive}.py; the conformer's and the text model's are transformers'. The package's
MuQ with the released config, as a safetensors file, is 1,333,825,096 bytes long, the released one's very length; its
MuQMuLan holds 2,653,614,972 bytes of numbers, and the released pytorch_model.bin is 2,653,954,401 bytes long.
"""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from schemas.encoders import EncoderSpec
from tests.conformance.seeded import put, seeded
from tests.conformance.small_ttmr import LETTERS, Shapes, bert_shapes, linear, norm
from workers.encoders import muq, muq_mulan

CHANNELS, BANDS, DIM, LAYERS, INNER, KERNEL = 8, 128, 32, 2, 64, 31
HEADS = 16  # of the released config
TEXT_DIM, TEXT_PLACES, MORE_LAYERS, MORE_HEADS, HEAD, JOINT = 24, 514, 2, 8, 4, 16

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
_MORE = {"dim": 768, "tf_depth": 0, "heads": 8, "dim_head": 64, "attn_dropout": 0, "ff_dropout": 0, "ff_mult": 4}
MULAN_CONFIG["audio_transformer"] = _MORE
MULAN_CONFIG["text_transformer"] = {"dim": 768, "tf_depth": 8, "max_seq_len": 1024} | dict(list(_MORE.items())[2:])


def muq_config() -> bytes:
    """The released file, but for what nothing here reads (its sha256 is not the file's)."""
    mel = {"melspec_2048_mean": 6.768444971712967, "melspec_2048_std": 18.417922652295623}
    conformer = {"num_attention_heads": HEADS, "position_embeddings_type": "rotary", "hidden_act": "swish"}
    return json.dumps({"hop_length": 240, "label_rate": 25, "stat": mel, "w2v2_config": conformer}).encode()


def mulan_config() -> bytes:
    """The released file, byte by byte."""
    return json.dumps(MULAN_CONFIG, indent=2).encode()


def muq_shapes() -> Shapes:
    """Weights of muq.MuQ."""
    found: Shapes = {"cls_token": (DIM,)} | linear("linear", DIM, 32) | norm("conformer.layer_norm", DIM)
    for block, before in ((0, 1), (1, CHANNELS)):
        for number, channels in ((1, before), (2, CHANNELS), (3, before)):
            name = f"conv.conv.{block}"
            found |= {f"{name}.conv{number}.weight": (CHANNELS, channels, 3, 3)}
            found |= {f"{name}.conv{number}.bias": (CHANNELS,)} | norm(f"{name}.bn{number}", CHANNELS, batch=True)
    found |= linear("conv.linear", CHANNELS * BANDS // 4, DIM)
    found |= {f"rvq.quantizers.0.{name}": (4,) for name in ("stale_counter", "in_proj.bias")}
    places = "conformer.pos_conv_embed.conv"
    found |= {f"{places}.parametrizations.weight.original{number}": (2, 2, 2) for number in (0, 1)}
    found |= {f"{places}.bias": (DIM,)}
    for number in range(LAYERS):
        found |= _conformer_layer(f"conformer.layers.{number}")
    return {f"model.{name}": shape for name, shape in found.items()}


def _conformer_layer(name: str) -> Shapes:
    found: Shapes = {}
    for half in ("ffn1", "ffn2"):
        found |= linear(f"{name}.{half}.intermediate_dense", DIM, INNER)
        found |= linear(f"{name}.{half}.output_dense", INNER, DIM)
    for part in ("ffn1_layer_norm", "ffn2_layer_norm", "self_attn_layer_norm", "final_layer_norm"):
        found |= norm(f"{name}.{part}", DIM)
    for part in ("q", "k", "v", "out"):
        found |= linear(f"{name}.self_attn.linear_{part}", DIM, DIM)
    found |= norm(f"{name}.conv_module.layer_norm", DIM) | norm(f"{name}.conv_module.batch_norm", DIM, batch=True)
    found |= {f"{name}.conv_module.pointwise_conv1.weight": (2 * DIM, DIM, 1)}
    found |= {f"{name}.conv_module.depthwise_conv.weight": (DIM, 1, KERNEL)}
    return found | {f"{name}.conv_module.pointwise_conv2.weight": (DIM, DIM, 1)}


def mulan_shapes() -> Shapes:
    """Weights of muq.MuQMuLan."""
    found = {f"audio.model.{name}": shape for name, shape in muq_shapes().items()}
    found |= {"contrast.temperatures": (1, 1, 1), "audio.aggregator.weight": (1, 25, 1), "audio.aggregator.bias": (1,)}
    found |= linear("audio.proj", DIM, TEXT_DIM)
    found |= bert_shapes("text.model.", len(pieces()), TEXT_PLACES, TEXT_DIM, kinds=1)
    found |= linear("text.model.pooler.dense", TEXT_DIM, TEXT_DIM)
    found |= linear("audio_to_latents", TEXT_DIM, JOINT) | linear("text_to_latents", TEXT_DIM, JOINT)
    inner = int(TEXT_DIM * 4 * 2 / 3)
    for number in range(MORE_LAYERS):
        attention, gated = (f"text.transformer.layers.{number}.{half}" for half in (0, 1))
        found |= {f"{attention}.{name}_scale": (HEAD,) for name in "qk"}
        found |= {f"{name}.learned_gamma": (TEXT_DIM,) for name in (f"{attention}.norm", f"{gated}.0")}
        found |= {f"{attention}.to_q.weight": (MORE_HEADS * HEAD, TEXT_DIM)}
        found |= {f"{attention}.to_kv.weight": (2 * MORE_HEADS * HEAD, TEXT_DIM)}
        found |= {f"{attention}.to_out.0.weight": (TEXT_DIM, MORE_HEADS * HEAD)}
        found |= {f"{gated}.1.weight": (2 * inner, TEXT_DIM), f"{gated}.4.weight": (TEXT_DIM, inner)}
    return {f"mulan.{name}": shape for name, shape in found.items()}


def state(shapes: Shapes) -> dict[str, torch.Tensor]:
    """Random weights of these shapes, with the buffers beside them."""
    found = {name: torch.from_numpy(numbers) for name, numbers in seeded(shapes, 11).items()}
    for name in list(found):
        if name.endswith(("learned_gamma", "_scale")):
            found[name] += 1
        if name.endswith("running_var"):
            found[name.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
        if name.endswith("conformer.layer_norm.bias"):
            speeds = 10_000.0 ** -np.arange(0, 1, 2 * HEADS / DIM, np.float32)
            found[name.replace("layer_norm.bias", "embed_positions.inv_freq")] = torch.from_numpy(speeds)
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
    return _resized(muq.SPEC, DIM)


def small_mulan(folder: Path) -> EncoderSpec:
    """Writes what `muq-mulan` looks for."""
    file = io.BytesIO()
    torch.save(state(mulan_shapes()), file)
    put(muq_mulan.MULAN, folder, {"config.json": mulan_config(), "pytorch_model.bin": file.getvalue()})
    put(muq_mulan.MUQ_SETTINGS, folder, {"config.json": muq_config()})
    put(muq_mulan.XLM_R_TOKENIZER, folder, {"tokenizer.json": tokenizer().to_str().encode()})
    return _resized(muq_mulan.SPEC, JOINT)


def _resized(spec: EncoderSpec, dim: int) -> EncoderSpec:
    return replace(spec, backbone=replace(spec.backbone, dim=dim), head=replace(spec.head, dim=dim))


SMALL = {muq.SPEC.name: small_muq, muq_mulan.SPEC.name: small_mulan}
