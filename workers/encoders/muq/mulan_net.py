"""MuQ-MuLan's two towers as plain modules: MuQ or XLM-RoBERTa, a few more layers, a mean, the joint space.

Source: H. Zhu et al., MuQ (2025), and its package muq 0.1.0 for what the paper does not say. Attention with unit
queries and keys: M. Dehghani et al., Scaling Vision Transformers to 22 Billion Parameters (2023); gated feed-forward:
N. Shazeer, GLU Variants Improve Transformer (2020).
"""

import re
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from workers.encoders.muq.net import Backbone, Settings, Weights, backbone_of
from workers.encoders.ttmr.net import part, renamed
from workers.text.bert import Bert, bert_of

_HEADS = 8
_SHARPNESS = 8.0
_TEXT_HEADS, _TEXT_EPSILON, _TEXT_FIRST_PLACE = 12, 1e-5, 2  # xlm-roberta-base

# The authors' names of a layer's weights, and ours.
_NAMES = (
    (r"(layers\.\d+)\.0\.", r"\1."),
    (r"\.to_out\.0\.", ".to_out."),
    (r"(layers\.\d+)\.1\.0\.", r"\1.inner_norm."),
    (r"(layers\.\d+)\.1\.1\.", r"\1.widen."),
    (r"(layers\.\d+)\.1\.4\.", r"\1.narrow."),
    (r"\.learned_gamma$", ".weight"),
)


class Layer(nn.Module):
    """[B, T, dim] -> [B, T, dim]."""

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
        three = self.to_q(x), *self.to_kv(x).chunk(2, dim=2)
        query, key, value = (rows.unflatten(2, (_HEADS, -1)).transpose(1, 2) for rows in three)
        query = functional.normalize(query, dim=3) * self.q_scale
        key = functional.normalize(key, dim=3) * self.k_scale
        heard = functional.scaled_dot_product_attention(query, key, value, scale=_SHARPNESS)
        return self.to_out(heard.transpose(1, 2).flatten(2))


class Summary(nn.Module):
    """What MuQ or XLM-RoBERTa makes of one window or text [B, T, before] -> unit vectors [B, joint]."""

    def __init__(self, proj: nn.Module, layers: nn.Sequential, latents: nn.Linear) -> None:
        super().__init__()
        self.proj, self.layers, self.latents = proj, layers, latents

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return functional.normalize(self.latents(self.layers(self.proj(states)).mean(1)))


class AudioTower(nn.Module):
    """Audio [B, samples] at 24 kHz -> unit vectors [B, joint]; `state` counts MuQ's hidden states."""

    def __init__(self, backbone: Backbone, state: int, summary: Summary) -> None:
        super().__init__()
        self.backbone, self.state, self.summary = backbone, state, summary

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.summary(self.backbone(audio)[self.state])


class TextTower(nn.Module):
    """Tokens [B, T], none of them padding -> unit vectors [B, joint].

    The mean is over all tokens, the first and the last too. The authors' mean counts padding, so that a text's vector
    depends on the longest text beside it: this is the vector of a text alone.
    """

    def __init__(self, bert: Bert, summary: Summary) -> None:
        super().__init__()
        self.bert, self.summary = bert, summary

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.summary(self.bert(tokens))


def read_weights(file: Path) -> Weights:
    """Of a checkpoint; mapped, so that the tower that is not asked for, half of the file, is not read."""
    return torch.load(file, map_location="cpu", weights_only=True, mmap=True)


def audio_tower(weights: Weights, settings: Settings, state: int) -> AudioTower:
    """The tower of a checkpoint, in eval mode; RuntimeError where a name or a shape does not fit."""
    audio = part(weights, "mulan.audio.")
    backbone = backbone_of(part(audio, "model."), settings)
    return AudioTower(backbone, state, _summary(audio, part(weights, "mulan.audio_to_latents."))).eval()


def text_tower(weights: Weights) -> TextTower:
    """As `audio_tower`; ValueError or KeyError where XLM-RoBERTa's weights do not fit."""
    text = part(weights, "mulan.text.")
    bert = bert_of(part(text, "model."), _TEXT_HEADS, _TEXT_EPSILON, _TEXT_FIRST_PLACE)
    return TextTower(bert, _summary(text, part(weights, "mulan.text_to_latents."))).eval()


def _summary(tower: Weights, latents: Weights) -> Summary:
    """Of a tower's `proj.` (the text tower has none) and `transformer.` (published: none for audio, 8 for text)."""
    state = renamed(part(tower, "transformer."), _NAMES)
    state |= {name: weight for name, weight in tower.items() if name.startswith("proj.")}
    state |= {f"latents.{name}": weight for name, weight in latents.items()}
    joint, dim = latents["weight"].shape
    numbers = {int(found[1]) for name in state if (found := re.match(r"layers\.(\d+)\.", name))}
    with torch.device("meta"):
        layers = [
            Layer(dim, state[f"layers.{number}.narrow.weight"].shape[1], len(state[f"layers.{number}.q_scale"]))
            for number in sorted(numbers)
        ]
        proj = nn.Linear(state["proj.weight"].shape[1], dim) if "proj.weight" in state else nn.Identity()
        net = Summary(proj, nn.Sequential(*layers), nn.Linear(dim, joint))
    net.load_state_dict(state, assign=True)
    return net
