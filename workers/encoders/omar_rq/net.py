"""OMAR-RQ's network as plain modules: audio -> patches -> conformer -> mean of states.

net = build_net(weights, read_settings(folder / "config.gin"), layers=7); net(audio)
Sources: P. Alonso-Jiménez et al. (2025, see SPEC); conformer: A. Gulati et al. (2020); rotary positions: J. Su et al.,
RoFormer (2021); deep norm: H. Wang et al., DeepNet (2022). Written from these papers, config.gin and the names of the
weights, which the modules keep. What they leave open was measured at the outputs of the package omar-rq 0.2.1
(AGPL-3.0), whose networks' code was not read: attention looks back only, activations are GELU, and the epsilons are
those below.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from schemas.errors import UserError
from workers.encoders.ttmr.net import strip_prefix

SAMPLE_RATE = 24_000
_EPSILON = 6.1e-5  # of the norms inside feed-forward and convolution
_OUTER_EPSILON = 1e-5  # of the norms after attention and at the end of a layer
_SETTING = re.compile(r"^[ \t]*(?:[\w.]+\.)?(\w+\.\w+)[ \t]*=[ \t]*([^#\n]+)", re.MULTILINE)

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class OmarRqSettings:
    """The settings that the weights do not determine.

    `mean` and `deviation` are those of the samples of the training music. A feed-forward's output is multiplied by
    `feed_forward_scale`, attention's input by `alpha` where its output is added.
    """

    mean: float
    deviation: float
    feed_forward_scale: float
    alpha: float


def read_settings(config: Path) -> OmarRqSettings:
    """Read the settings from config.gin without the library gin, whose files can call any function.

    Raises UserError if a setting is missing, or if the file describes another network than the one computed here.
    """
    settings = dict(_SETTING.findall(config.read_text().replace("\\\n", " ")))
    expected_values = {
        "Waveform.sr": SAMPLE_RATE,
        "Conformer.use_deepnorm": True,
        "Conformer.use_rope": True,
    }
    for name, expected in expected_values.items():
        value = _literal(settings, name, config)
        if value != expected:
            raise UserError(f"{config.name} of OMAR-RQ says {name} {value}: this tonelake computes {expected}")
    representation = settings.get("MaskingModel.input_representation", "").strip()
    if not representation.endswith(".Waveform"):
        raise UserError(f"{config.name} of OMAR-RQ says input {representation}: this tonelake computes the waveform")
    names = (
        "Waveform.norm_mean",
        "Waveform.norm_std",
        "Conformer.mlp_residual_factor",
        "Conformer.alpha_deepnorm",
    )
    return OmarRqSettings(*(float(_literal(settings, name, config)) for name in names))


def _literal(settings: Mapping[str, str], name: str, config: Path) -> float:
    """Return a number or truth value of a gin file."""
    try:
        return ast.literal_eval(settings[name].strip())
    except (KeyError, ValueError, SyntaxError) as error:
        raise UserError(f"{config} gives no number for {name}: remove its folder") from error


class FeedForward(nn.Module):
    """[B, T, dim] -> [B, T, dim]."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        inner, dim = weights["module.1.weight"].shape
        # Places 3 and 5 were dropout, which only training needs.
        widen, narrow = nn.Linear(dim, inner), nn.Linear(inner, dim)
        self.module = nn.Sequential(nn.LayerNorm(dim, _EPSILON), widen, nn.GELU(), nn.Identity(), narrow)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.module(x)


class RotaryPositions(nn.Module):
    """Rotates neighbouring pairs of numbers by their step times a frequency.

    [B, heads, T, head] -> the same.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.freqs = nn.Parameter(torch.empty_like(weights["freqs"]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        angles = torch.arange(x.shape[2], device=x.device)[:, None] * self.freqs
        cos, sin = angles.cos(), angles.sin()
        first, second = x.unflatten(3, (-1, 2)).unbind(4)
        return torch.stack([first * cos - second * sin, second * cos + first * sin], dim=4).flatten(3)


class Attention(nn.Module):
    """Self-attention of each step to itself and the steps before it.

    [B, T, dim] -> [B, T, dim].
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        dim = weights["proj.weight"].shape[0]
        self.rotary_emb = RotaryPositions(strip_prefix(weights, "rotary_emb."))
        self.head = 2 * len(self.rotary_emb.freqs)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = self.qkv(x).unflatten(2, (3, -1, self.head)).permute(2, 0, 3, 1, 4)
        query, key = self.rotary_emb(query).to(value.dtype), self.rotary_emb(key).to(value.dtype)
        heads = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.proj(heads.transpose(1, 2).flatten(2))


class Convolution(nn.Module):
    """A gated convolution over time: [B, T, dim] -> [B, T, dim]."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        dim, _, kernel = weights["module.2.weight"].shape
        self.layer_norm = nn.LayerNorm(dim, _EPSILON)
        self.module = nn.Sequential(
            nn.Conv1d(dim, 2 * dim, 1),
            nn.GLU(dim=1),
            nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim),
            nn.BatchNorm1d(dim, _EPSILON),
            nn.GELU(),
            nn.Conv1d(dim, dim, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.module(self.layer_norm(x).transpose(1, 2)).transpose(1, 2)


class DeepNorm(nn.Module):
    """Adds a sublayer's output to its input, scaled by alpha, and norms the sum."""

    def __init__(self, dim: int, alpha: float) -> None:
        super().__init__()
        self.layer_norm, self.alpha = nn.LayerNorm(dim, _OUTER_EPSILON), alpha

    def forward(self, x: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        return self.layer_norm(self.alpha * x + output)


class Layer(nn.Module):
    """A conformer layer: feed-forward, attention, convolution, feed-forward."""

    def __init__(self, weights: Weights, settings: OmarRqSettings) -> None:
        super().__init__()
        dim = len(weights["norm2.weight"])
        self.scale = settings.feed_forward_scale
        self.ff1, self.ff2 = (FeedForward(strip_prefix(weights, name)) for name in ("ff1.", "ff2."))
        self.attention = Attention(strip_prefix(weights, "attention."))
        self.norm1 = DeepNorm(dim, settings.alpha)
        self.conv_block = Convolution(strip_prefix(weights, "conv_block."))
        self.norm2 = nn.LayerNorm(dim, _OUTER_EPSILON)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.scale * self.ff1(x)
        x = self.norm1(x, self.attention(x))
        x = x + self.conv_block(x)
        return self.norm2(x + self.scale * self.ff2(x))


class OmarRqNet(nn.Module):
    """Audio -> the mean over time of the last layer's states.

    [B, samples] at 24 kHz -> [B, dim]. A state covers the samples of one patch.
    """

    def __init__(self, weights: Weights, settings: OmarRqSettings, layers: int) -> None:
        super().__init__()
        dim, self.patch = weights["embedding_layer.weight"].shape
        self.settings, self.embedding_layer = settings, nn.Linear(self.patch, dim)
        self.layers = nn.Sequential(
            *(Layer(strip_prefix(weights, f"layers.{number}."), settings) for number in range(layers))
        )

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        patches = ((audio - self.settings.mean) / self.settings.deviation).unflatten(1, (-1, self.patch))
        return self.layers(self.embedding_layer(patches)).mean(1)


def build_net(weights: Weights, settings: OmarRqSettings, layers: int) -> OmarRqNet:
    """Build the first `layers` layers from the released weights, in eval mode.

    The weights determine the sizes. Raises RuntimeError or KeyError if one is missing or does not fit.
    """
    prefixes = ("embedding_layer.", *(f"layers.{number}." for number in range(layers)))
    state = {name.removeprefix("net."): weight for name, weight in weights.items()}
    state = {name: weight for name, weight in state.items() if name.startswith(prefixes)}
    with torch.device("meta"):  # so that no weights are drawn at random first
        net = OmarRqNet(state, settings, layers)
    net.load_state_dict(state, assign=True)
    return net.eval()
