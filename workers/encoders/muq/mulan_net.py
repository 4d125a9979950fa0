"""MuQ-MuLan's two towers as plain modules.

Each is MuQ or XLM-RoBERTa, a few more layers, a mean over time, and a projection to the joint space.
Source: H. Zhu et al., MuQ (2025), and its package muq 0.1.0 for what the paper does not say. Attention with unit
queries and keys: M. Dehghani et al., Scaling Vision Transformers to 22 Billion Parameters (2023); gated feed-forward:
N. Shazeer, GLU Variants Improve Transformer (2020).
"""

import re
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from workers.encoders.muq.net import Backbone, MuqSettings, Weights, build_backbone
from workers.encoders.ttmr.net import rename_weights, strip_prefix
from workers.text.bert import Bert, build_bert

_HEADS = 8
_ATTENTION_SCALE = 8.0
_TEXT_HEADS, _TEXT_EPSILON, _TEXT_FIRST_POSITION = 12, 1e-5, 2  # xlm-roberta-base

# Patterns of the authors' names of a layer's weights, and our names.
_NAMES = (
    (r"(layers\.\d+)\.0\.", r"\1."),
    (r"\.to_out\.0\.", ".to_out."),
    (r"(layers\.\d+)\.1\.0\.", r"\1.inner_norm."),
    (r"(layers\.\d+)\.1\.1\.", r"\1.widen."),
    (r"(layers\.\d+)\.1\.4\.", r"\1.narrow."),
    (r"\.learned_gamma$", ".weight"),
)


class Layer(nn.Module):
    """A transformer layer with a gated feed-forward: [B, T, dim] -> [B, T, dim]."""

    def __init__(self, dim: int, inner: int, head: int) -> None:
        super().__init__()
        self.norm, self.inner_norm = nn.LayerNorm(dim, bias=False), nn.LayerNorm(dim, bias=False)
        self.to_q = nn.Linear(dim, _HEADS * head, bias=False)
        self.to_kv = nn.Linear(dim, 2 * _HEADS * head, bias=False)
        self.q_scale, self.k_scale = nn.Parameter(torch.ones(head)), nn.Parameter(torch.ones(head))
        self.to_out = nn.Linear(_HEADS * head, dim, bias=False)
        self.widen, self.narrow = nn.Linear(dim, 2 * inner, bias=False), nn.Linear(inner, dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self._attention(self.norm(x))
        inner, gate = self.widen(self.inner_norm(x)).chunk(2, dim=2)
        return x + self.narrow(functional.gelu(gate) * inner)

    def _attention(self, x: torch.Tensor) -> torch.Tensor:
        qkv = self.to_q(x), *self.to_kv(x).chunk(2, dim=2)
        query, key, value = (rows.unflatten(2, (_HEADS, -1)).transpose(1, 2) for rows in qkv)
        query = functional.normalize(query, dim=3) * self.q_scale
        key = functional.normalize(key, dim=3) * self.k_scale
        heads = functional.scaled_dot_product_attention(query, key, value, scale=_ATTENTION_SCALE)
        return self.to_out(heads.transpose(1, 2).flatten(2))


class Summary(nn.Module):
    """Hidden states of MuQ or XLM-RoBERTa [B, T, state_dim] -> unit vectors [B, joint]."""

    def __init__(self, proj: nn.Module, layers: nn.Sequential, latents: nn.Linear) -> None:
        super().__init__()
        self.proj, self.layers, self.latents = proj, layers, latents

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return functional.normalize(self.latents(self.layers(self.proj(states)).mean(1)))


class AudioTower(nn.Module):
    """Audio [B, samples] at 24 kHz -> unit vectors [B, joint].

    `state_index` selects the hidden state of MuQ that is used.
    """

    def __init__(self, backbone: Backbone, state_index: int, summary: Summary) -> None:
        super().__init__()
        self.backbone, self.state_index, self.summary = backbone, state_index, summary

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.summary(self.backbone(audio)[self.state_index])


class TextTower(nn.Module):
    """Tokens [B, T] without padding -> unit vectors [B, joint].

    The mean is over all tokens, including the first and the last. The authors' mean includes padding, so that a text's
    vector depends on the longest text in its batch; here a text gets the vector that it has alone.
    """

    def __init__(self, bert: Bert, summary: Summary) -> None:
        super().__init__()
        self.bert, self.summary = bert, summary

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.summary(self.bert(tokens))


def read_weights(file: Path) -> Weights:
    """Read the weights of a checkpoint.

    The file is memory-mapped, so that the weights of an unused tower, half of the file, are not read.
    """
    return torch.load(file, map_location="cpu", weights_only=True, mmap=True)


def build_audio_tower(weights: Weights, settings: MuqSettings, state_index: int) -> AudioTower:
    """Build the audio tower of a checkpoint, in eval mode.

    Raises RuntimeError if a name or a shape does not fit.
    """
    audio = strip_prefix(weights, "mulan.audio.")
    backbone = build_backbone(strip_prefix(audio, "model."), settings)
    summary = _build_summary(audio, strip_prefix(weights, "mulan.audio_to_latents."))
    return AudioTower(backbone, state_index, summary).eval()


def build_text_tower(weights: Weights) -> TextTower:
    """Build the text tower of a checkpoint, in eval mode.

    Raises RuntimeError as `build_audio_tower` does, ValueError or KeyError if XLM-RoBERTa's weights do not fit.
    """
    text = strip_prefix(weights, "mulan.text.")
    bert = build_bert(strip_prefix(text, "model."), _TEXT_HEADS, _TEXT_EPSILON, _TEXT_FIRST_POSITION)
    summary = _build_summary(text, strip_prefix(weights, "mulan.text_to_latents."))
    return TextTower(bert, summary).eval()


def _build_summary(tower: Weights, latents: Weights) -> Summary:
    """Build a Summary from a tower's weights and its projection to the joint space.

    `tower` has a `proj.` (audio only) and layers under `transformer.` (as published: none for audio, 8 for text).
    """
    state = rename_weights(strip_prefix(tower, "transformer."), _NAMES)
    state |= {name: weight for name, weight in tower.items() if name.startswith("proj.")}
    state |= {f"latents.{name}": weight for name, weight in latents.items()}
    joint, dim = latents["weight"].shape
    numbers = {int(match[1]) for name in state if (match := re.match(r"layers\.(\d+)\.", name))}
    with torch.device("meta"):  # so that no weights are drawn at random first
        layers = [
            Layer(dim, state[f"layers.{number}.narrow.weight"].shape[1], len(state[f"layers.{number}.q_scale"]))
            for number in sorted(numbers)
        ]
        proj = nn.Linear(state["proj.weight"].shape[1], dim) if "proj.weight" in state else nn.Identity()
        net = Summary(proj, nn.Sequential(*layers), nn.Linear(dim, joint))
    net.load_state_dict(state, assign=True)
    return net
