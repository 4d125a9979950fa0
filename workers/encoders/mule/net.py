"""MULE's network as plain modules: audio -> log-mel -> slow and fast convolutions -> features.

net = build_net(load_file(folder / "model.safetensors")); net(audio)
Sources: M. C. McCallum et al. (2022, see SPEC); slow and fast paths: L. Wang et al., Towards Learning Universal Audio
Representations (2022); blocks: A. Brock et al., High-Performance Large-Scale Image Recognition Without Normalization
(2021). Written from these papers, config.json and the names of the weights, which the modules keep. What they leave
open was measured at the outputs of the package mule-torch 0.2.0 (GPL-3.0), whose networks' code was not read.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from schemas.errors import UserError
from workers.encoders.base.inference import in_float32
from workers.encoders.ttmr.net import strip_prefix

HOP, FRAMES = 160, 300  # samples; frames of one slice
SAMPLE_RATE, _WINDOW = 16_000, 400
_COMPRESSION = 1e4  # the log-mel is log10(1 + 10^4 power)
_DEVIATION_FLOOR = 0.01
_GELU_GAIN = 1.7015043497085571  # keeps the variance of noise (Brock et al.)
_ALPHA = 0.2  # what each block adds to the variance is alpha squared
_VARIANCE_FLOOR = 1e-4
_FUSION_STRIDE = (1, 4)
_SLOW_STRIDES = ((2, 8), (1, 1), (1, 1), (2, 2))
_FAST_STRIDES = ((2, 2), (1, 1), (1, 1), (2, 2))
_HALF_BANDS = (2, 1)

# What config.json must say, if it says anything of it. The weights determine the sizes.
_SETTINGS = {
    "sample_rate": SAMPLE_RATE,
    "hop_length": HOP,
    "win_length": _WINDOW,
    "window": "hann",
    "power": 2.0,
    "center": True,
    "pad_mode": "reflect",
    "mag_compression": "log10_nonneg",
    "standard_normalize": True,
    "std_floor": _DEVIATION_FLOOR,
    "scaled_activation": "gelu",
    "alpha": _ALPHA,
    "weight_standardization": True,
    "ws_eps": _VARIANCE_FLOOR,
    "slow_stem_strides": _SLOW_STRIDES,
    "fast_stem_strides": _FAST_STRIDES,
    "fusion_time_stride": _FUSION_STRIDE[1],
}

Weights = Mapping[str, torch.Tensor]


def require_known_settings(config: Path) -> None:
    """Raise UserError if config.json describes another network than the one computed here."""
    settings = json.loads(config.read_text())
    for name, expected in json.loads(json.dumps(_SETTINGS)).items():
        value = settings.get(name, expected)
        if value != expected:
            raise UserError(f"{config.name} of MULE says {name} {value}: this tonelake computes {expected}")


def activate(x: torch.Tensor) -> torch.Tensor:
    """Apply GELU, scaled so that noise keeps its variance."""
    return functional.gelu(x) * _GELU_GAIN


class LogMel(nn.Module):
    """Audio -> standardised log-mel.

    [B, samples] at 16 kHz -> [B, 1, bands, 1 + samples // 160]. Each window is standardised, unless it is
    nearly silent.
    """

    mel_fb: torch.Tensor
    window: torch.Tensor

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.register_buffer("mel_fb", weights["mel_fb"])  # [bands, frame // 2 + 1]
        self.register_buffer("window", torch.hann_window(_WINDOW, device="cpu"), persistent=False)

    @in_float32
    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        frame = 2 * (self.mel_fb.shape[1] - 1)
        spectrum = torch.stft(audio, frame, HOP, _WINDOW, self.window, pad_mode="reflect", return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        mel = torch.log10(1 + _COMPRESSION * (self.mel_fb @ power))
        deviation, mean = torch.std_mean(mel, dim=(1, 2), correction=0, keepdim=True)
        return ((mel - mean) / deviation.clamp(min=_DEVIATION_FLOOR))[:, None]


class SameConv(nn.Conv2d):
    """A convolution to ceil(size / stride) cells.

    Odd padding has one more cell at the end, as in TensorFlow's SAME.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padding = []
        for axis in (1, 0):
            size, kernel, stride = x.shape[2 + axis], self.kernel_size[axis], self.stride[axis]
            missing = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            padding += [missing // 2, missing - missing // 2]
        return super().forward(functional.pad(x, padding))


class Stem(nn.Module):
    """Four convolutions.

    [B, 1, F, T] -> [B, channels, F / 4, T / 16] on the slow path, T / 4 on the fast one.
    """

    def __init__(self, weights: Weights, strides: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        channels = 1
        for number, stride in enumerate(strides):
            self.convs.append(_build_conv(weights, f"convs.{number}", channels, stride))
            channels = self.convs[-1].out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for conv in self.convs[:-1]:
            x = activate(conv(x))
        return self.convs[-1](x)


class Fusion(nn.Module):
    """Appends the fast path to the slow path.

    slow [B, C, F, T], fast [B, c, F, 4 T] -> [B, C + fused, F, T].
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.conv1 = _build_conv(weights, "conv1", weights["conv1.weight"].shape[1], _FUSION_STRIDE)
        self.conv2 = _build_conv(weights, "conv2", self.conv1.out_channels)

    def forward(self, slow: torch.Tensor, fast: torch.Tensor) -> torch.Tensor:
        return torch.cat([slow, self.conv2(self.conv1(fast))], dim=1)


class Gate(nn.Module):
    """Scales each channel by 0 to 2 ("squeeze and excite").

    [B, C, F, T] -> the same. Source: J. Hu et al., Squeeze-and-Excitation Networks (2018).
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        inner, channels = weights["fc1.weight"].shape
        self.fc1, self.fc2 = nn.Linear(channels, inner), nn.Linear(inner, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = 2 * self.fc2(functional.relu(self.fc1(x.mean((2, 3))))).sigmoid()
        return x * scale[:, :, None, None]


class Block(nn.Module):
    """Four convolutions and a gate beside a shortcut.

    [B, C_in, F, T] -> [B, C, F or F / 2, T]. `halves` tells whether the block halves the bands. `variance` is
    what noise would have here.
    """

    def __init__(self, weights: Weights, halves: bool, variance: float) -> None:
        super().__init__()
        self.halves, self.scale = halves, variance**-0.5
        channels = weights["convs.0.weight"].shape[1]
        self.skip_conv = _build_conv(weights, "skip_conv", channels) if "skip_conv.weight" in weights else None
        self.convs = nn.ModuleList()
        for number in range(4):
            stride = _HALF_BANDS if halves and number == 1 else (1, 1)
            self.convs.append(_build_conv(weights, f"convs.{number}", channels, stride))
            channels = self.convs[-1].out_channels
        self.se = Gate(strip_prefix(weights, "se."))
        self.skip_gain = nn.Parameter(torch.empty(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        activated = activate(x) * self.scale
        shortcut = x
        if self.skip_conv is not None:
            shortcut = self.skip_conv(functional.avg_pool2d(activated, _HALF_BANDS) if self.halves else activated)
        inner = self.convs[0](activated)
        for conv in self.convs[1:]:
            inner = conv(activate(inner))
        return shortcut + _ALPHA * self.skip_gain * self.se(inner)


class Stage(nn.Module):
    """Blocks in a row. The first block of every stage but the first halves the bands."""

    def __init__(self, weights: Weights, stage: int) -> None:
        super().__init__()
        later = stage > 0
        self.blocks = nn.Sequential()
        while state := strip_prefix(weights, f"blocks.{len(self.blocks)}."):
            number = len(self.blocks)
            variance = 1 + _ALPHA**2 * (number + later)
            self.blocks.append(Block(state, halves=later and number == 0, variance=variance))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks(x)


class Backbone(nn.Module):
    """Standardised log-mel [B, 1, bands, frames] -> features [B, slow + fast channels]."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.slow_stem = Stem(strip_prefix(weights, "slow_stem."), _SLOW_STRIDES)
        self.fast_stem = Stem(strip_prefix(weights, "fast_stem."), _FAST_STRIDES)
        self.fusions, self.slow_stages, self.fast_stages = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        while state := strip_prefix(weights, f"fusions.{len(self.fusions)}."):
            stage = len(self.fusions)
            self.fusions.append(Fusion(state))
            self.slow_stages.append(Stage(strip_prefix(weights, f"slow_stages.{stage}."), stage))
            self.fast_stages.append(Stage(strip_prefix(weights, f"fast_stages.{stage}."), stage))

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        slow, fast = self.slow_stem(mel), self.fast_stem(mel)
        for fusion, slow_stage, fast_stage in zip(self.fusions, self.slow_stages, self.fast_stages, strict=True):
            slow, fast = slow_stage(fusion(slow, fast)), fast_stage(fast)
        return activate(torch.cat([slow.mean((2, 3)), fast.mean((2, 3))], dim=1))


class MuleNet(nn.Module):
    """Audio [B, samples] at 16 kHz -> features [B, dim]."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.frontend = LogMel(strip_prefix(weights, "frontend."))
        self.backbone = Backbone(strip_prefix(weights, "backbone."))

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.backbone(self.frontend(audio))


def build_net(weights: Weights) -> MuleNet:
    """Build the net from the released weights, in eval mode.

    The weights determine the sizes. Raises RuntimeError or KeyError if one is missing, is left over or does not fit.
    """
    # The package also saves its window times sines and cosines, which LogMel computes.
    state = fold_gains({name: weight for name, weight in weights.items() if not name.startswith("frontend.stft.")})
    with torch.device("meta"):  # so that no weights are drawn at random first
        net = MuleNet(state)
    net.load_state_dict(state, assign=True)
    return net.eval()


def fold_gains(weights: Weights) -> dict[str, torch.Tensor]:
    """Standardise each convolution's kernels and multiply them by their gains.

    Raises KeyError if a convolution has no gains. Source: Brock et al., scaled weight standardisation.
    """
    folded = {name: weight for name, weight in weights.items() if not name.endswith(".gain")}
    for name, kernels in folded.items():
        if kernels.ndim == 4:
            gains = weights[f"{name.removesuffix('.weight')}.gain"]
            variance, mean = torch.var_mean(kernels.double(), dim=(1, 2, 3), correction=0, keepdim=True)
            scale = (variance * kernels[0].numel()).clamp(min=_VARIANCE_FLOOR).rsqrt() * gains[:, None, None, None]
            folded[name] = ((kernels - mean) * scale).to(kernels.dtype)
    return folded


def _build_conv(weights: Weights, name: str, channels_in: int, stride: tuple[int, int] = (1, 1)) -> SameConv:
    channels, group, *kernel = weights[f"{name}.weight"].shape
    return SameConv(channels_in, channels, tuple(kernel), stride, groups=channels_in // group)
