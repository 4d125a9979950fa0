"""MuQ's network as plain modules: audio -> log-mel -> convolutions -> conformer -> hidden states.

net = MuqMean(backbone_of(weights, read_settings(folder / "config.json"))); net(audio)
Source: H. Zhu et al., "MuQ: Self-Supervised Music Representation Learning with Mel Residual Vector Quantization"
(2025), and its package muq 0.1.0 for what the paper does not say. Conformer: A. Gulati et al. (2020), in the variant
that transformers calls Wav2Vec2Conformer with rotary positions. Modules have the names of the released weights.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from schemas.errors import UserError
from workers.encoders.base.inference import in_float32
from workers.encoders.base.mel_filters import htk_filters
from workers.encoders.ttmr.net import strip_prefix

SAMPLE_RATE = 24_000
FRAME, HOP = 2048, 240  # 100 frames a second, of which the convolutions make 25 hidden states a second
_FLOOR = 1e-10
_SUBSAMPLING = 4  # of time and of bands

Weights = Mapping[str, torch.Tensor]

# Weights that only training needs. transformers builds the conformer's position convolution, but never calls it.
_UNUSED = ("linear.", "cls_token", "rvq.", "quantizer_", "recon_proj.", "conformer.pos_conv_embed.")


@dataclass(frozen=True, slots=True)
class MuqSettings:
    """The settings that the weights do not determine.

    `mean` and `deviation` are those of the log-mel over the training music, in dB; `heads` are attention heads.
    """

    mean: float
    deviation: float
    heads: int


def read_settings(config: Path) -> MuqSettings:
    """Read the settings from MuQ's config.json.

    Raises UserError if the file describes another network than the one computed here.
    """
    settings = json.loads(config.read_text())
    conformer, mel = settings["w2v2_config"], settings["stat"]
    activation = conformer["hidden_act"]
    values_and_expected = {
        "hop_length": (settings["hop_length"], HOP),
        "label_rate": (settings["label_rate"], SAMPLE_RATE // HOP // _SUBSAMPLING),
        "position_embeddings_type": (conformer["position_embeddings_type"], "rotary"),
        "hidden_act": ("silu" if activation == "swish" else activation, "silu"),
    }
    for name, (value, expected) in values_and_expected.items():
        if value != expected:
            raise UserError(f"{config.name} of MuQ says {name} {value}: this tonelake computes {expected}")
    return MuqSettings(mel["melspec_2048_mean"], mel["melspec_2048_std"], conformer["num_attention_heads"])


class LogMel(nn.Module):
    """Audio [B, samples] at 24 kHz -> log-mel [B, bands, samples // 240].

    The numbers are mel power in dB, standardised with the settings' mean and deviation.
    """

    window: torch.Tensor
    filters: torch.Tensor

    def __init__(self, bands: int, settings: MuqSettings) -> None:
        super().__init__()
        self.settings = settings
        filters = htk_filters(SAMPLE_RATE, FRAME, bands).astype(np.float32)
        self.register_buffer("window", torch.hann_window(FRAME), persistent=False)
        self.register_buffer("filters", torch.from_numpy(filters), persistent=False)

    @in_float32
    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        # In float64: in the quiet bands of a pure tone, float32 would hold rounding errors that differ by machine.
        window, filters = self.window.double(), self.filters.double()
        spectrum = torch.stft(audio.double(), FRAME, HOP, window=window, return_complex=True)[..., :-1]
        power = spectrum.real.square() + spectrum.imag.square()
        decibels = 10 * torch.log10((filters.T @ power).clamp(min=_FLOOR))
        return ((decibels - self.settings.mean) / self.settings.deviation).float()


class Residual(nn.Module):
    """Two convolutions plus a shortcut of one.

    [B, channels_in, F, T] -> [B, channels, F / 2, T / 2].
    """

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels_in, channels, 3, stride=2, padding=1), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.conv3, self.bn3 = nn.Conv2d(channels_in, channels, 3, stride=2, padding=1), nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(inner + self.bn3(self.conv3(x)))


class Subsampling(nn.Module):
    """Log-mel [B, bands, T] -> [B, T / 4, dim]."""

    def __init__(self, channels: int, bands: int, dim: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(Residual(1, channels), Residual(channels, channels))
        self.linear = nn.Linear(channels * bands // _SUBSAMPLING, dim)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        # One window at a time: 30 s take 0.2 GB in each of the first block's layers.
        cells = torch.cat([self.conv(window[None, None]) for window in mel])
        return self.linear(cells.flatten(1, 2).transpose(1, 2))


class FeedForward(nn.Module):
    """Two linear layers: [B, T, dim] -> [B, T, dim]."""

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(dim, inner)
        self.output_dense = nn.Linear(inner, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output_dense(functional.silu(self.intermediate_dense(x)))


class Attention(nn.Module):
    """Self-attention: [B, T, dim] -> [B, T, dim].

    The rotary positions rotate the input of the query and key layers, not the queries and keys.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linear_q, self.linear_k = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.linear_v, self.linear_out = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
        rotated = self._rotate(x, angles)
        qkv = self.linear_q(rotated), self.linear_k(rotated), self.linear_v(x)
        heads = (rows.unflatten(2, (self.heads, -1)).transpose(1, 2) for rows in qkv)
        return self.linear_out(functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))

    def _rotate(self, x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
        """Rotate pairs of numbers by `angles` [T, 1, dim / heads / 2]."""
        cos, sin = angles.cos(), angles.sin()
        first, second = x.unflatten(2, (self.heads, -1)).chunk(2, dim=3)
        return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=3).flatten(2)


class Convolution(nn.Module):
    """A gated convolution over `kernel` steps of time: [B, T, dim] -> [B, T, dim]."""

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(dim)
        self.pointwise_conv1 = nn.Conv1d(dim, 2 * dim, 1, bias=False)
        self.depthwise_conv = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim, bias=False)
        self.batch_norm = nn.BatchNorm1d(dim)
        self.pointwise_conv2 = nn.Conv1d(dim, dim, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.glu(self.pointwise_conv1(self.layer_norm(x).transpose(1, 2)), dim=1)
        x = functional.silu(self.batch_norm(self.depthwise_conv(x)))
        return self.pointwise_conv2(x).transpose(1, 2)


class Layer(nn.Module):
    """A conformer layer: half a feed-forward, attention, convolution, half a feed-forward."""

    def __init__(self, dim: int, heads: int, inner: int, kernel: int) -> None:
        super().__init__()
        self.ffn1_layer_norm, self.ffn1 = nn.LayerNorm(dim), FeedForward(dim, inner)
        self.self_attn_layer_norm, self.self_attn = nn.LayerNorm(dim), Attention(dim, heads)
        self.conv_module = Convolution(dim, kernel)
        self.ffn2_layer_norm, self.ffn2 = nn.LayerNorm(dim), FeedForward(dim, inner)
        self.final_layer_norm = nn.LayerNorm(dim)

    def forward(self, x: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
        x = x + self.ffn1(self.ffn1_layer_norm(x)) / 2
        x = x + self.self_attn(self.self_attn_layer_norm(x), angles)
        x = x + self.conv_module(x)
        return self.final_layer_norm(x + self.ffn2(self.ffn2_layer_norm(x)) / 2)


class RotaryPositions(nn.Module):
    """Angles of rotary positions: steps T -> [T, 1, dim / heads / 2].

    Source: J. Su et al., RoFormer (2021).
    """

    inv_freq: torch.Tensor

    def __init__(self, frequencies: int) -> None:
        super().__init__()
        self.register_buffer("inv_freq", torch.empty(frequencies))

    def forward(self, steps: int) -> torch.Tensor:
        return torch.arange(steps, device=self.inv_freq.device)[:, None, None] * self.inv_freq


class Conformer(nn.Module):
    """[B, T, dim] -> hidden states, layers + 1 of [B, T, dim].

    These are the input and each layer's output, the last one normed.
    """

    def __init__(self, layers: int, dim: int, heads: int, inner: int, kernel: int) -> None:
        super().__init__()
        self.embed_positions = RotaryPositions(dim // heads // 2)
        self.layers = nn.ModuleList(Layer(dim, heads, inner, kernel) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        states, angles = [x], self.embed_positions(x.shape[1])
        for layer in self.layers:
            states.append(layer(states[-1], angles))
        return [*states[:-1], self.layer_norm(states[-1])]


class Backbone(nn.Module):
    """Audio [B, samples] at 24 kHz -> hidden states.

    There are layers + 1 of [B, samples // 960, dim].
    """

    def __init__(self, mel: LogMel, conv: Subsampling, conformer: Conformer) -> None:
        super().__init__()
        self.mel, self.conv, self.conformer = mel, conv, conformer

    def forward(self, audio: torch.Tensor) -> list[torch.Tensor]:
        return self.conformer(self.conv(self.mel(audio)))


class MuqMean(nn.Module):
    """Audio [B, samples] -> the mean over all hidden states and over time [B, dim]."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return torch.stack([state.mean(1) for state in self.backbone(audio)]).mean(0)


def build_backbone(weights: Weights, settings: MuqSettings) -> Backbone:
    """Build the net from the weights that the authors store under `model.`, in eval mode.

    The weights determine the sizes. Raises RuntimeError if one is missing, is left over or does not fit.
    """
    state = {name: weight for name, weight in strip_prefix(weights, "model.").items() if not name.startswith(_UNUSED)}
    channels, dim = len(state["conv.conv.0.conv1.bias"]), len(state["conv.linear.bias"])
    bands = state["conv.linear.weight"].shape[1] // channels * _SUBSAMPLING
    layers = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("conformer.layers."))
    inner = len(state["conformer.layers.0.ffn1.intermediate_dense.bias"])
    kernel = state["conformer.layers.0.conv_module.depthwise_conv.weight"].shape[2]
    mel = LogMel(bands, settings)
    with torch.device("meta"):  # so that no weights are drawn at random first
        conv = Subsampling(channels, bands, dim)
        conformer = Conformer(layers, dim, settings.heads, inner, kernel)
    net = Backbone(mel, conv, conformer)
    net.load_state_dict(state, assign=True)
    return net.eval()
