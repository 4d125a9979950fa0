"""TTMR's networks as plain modules, for embedding and for training: audio -> tokens -> joint space.

tower = music_tower(read_checkpoint(path)); tower(audio)
Source: S. Doh, M. Won, K. Choi, J. Nam, "Toward Universal Text-to-Music Retrieval" (ICASSP 2023), and its code,
seungheondoh/music-text-representation at 5e54e0df, for what the paper does not say.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from workers.encoders.base.inference import in_float32
from workers.encoders.base.mel_filters import htk_filters

SAMPLE_RATE = 16_000
WINDOW = 158_560  # 9.91 s

_HOP = 160
_FLOOR = 1e-10

Weights = dict[str, torch.Tensor]
Names = Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]


@dataclass(frozen=True, slots=True)
class MusicShape:
    """Sizes of a music tower; the defaults are the published ones."""

    frame: int = 1024
    bands: int = 128
    channels: int = 128
    dim: int = 256
    heads: int = 8
    layers: int = 4
    inner: int = 1024
    places: int = 513
    joint: int = 128


class RealMel(nn.Module):
    """Audio [B, samples] -> mel spectrogram in dB [B, bands, 1 + samples // 160].

    Only the real part of the spectrum is squared: a slip of the authors that their weights were trained with.
    """

    window: torch.Tensor
    filters: torch.Tensor

    def __init__(self, frame: int, bands: int) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(frame))
        self.register_buffer("filters", torch.from_numpy(htk_filters(SAMPLE_RATE, frame, bands).astype(np.float32)))

    @in_float32
    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(audio, len(self.window), _HOP, window=self.window, return_complex=True)
        mel = self.filters.T @ spectrum.real.square()
        return 10 * torch.log10(mel.clamp(min=_FLOOR))


class ConvBlock(nn.Module):
    """[B, before, F, T] -> [B, channels, F // 2, T // 2]: two convolutions beside a way past them, and the maximum."""

    def __init__(self, before: int, channels: int) -> None:
        super().__init__()
        self.first = _normed_conv(before, channels)
        self.second = _normed_conv(channels, channels)
        self.past = _normed_conv(before, channels) if before != channels else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.past(x) + self.second(functional.relu(self.first(x)))
        return functional.max_pool2d(functional.relu(x), 2)


def _normed_conv(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after))


class FrontEnd(nn.Module):
    """Spectrogram [B, bands, frames] -> tokens [B, frames // 16, dim]: channels and bands of a moment in one."""

    def __init__(self, shape: MusicShape) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        befores = (1, *[shape.channels] * 3)
        self.blocks = nn.Sequential(*(ConvBlock(before, shape.channels) for before in befores))
        self.out = nn.Linear(shape.channels * (shape.bands // 16), shape.dim)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.norm(mel[:, None]))
        return self.out(x.permute(0, 3, 1, 2).flatten(2))


class Layer(nn.Module):
    """One layer of the transformer [B, T, dim] -> the same: normalised before attention and before the inner layer.

    Torch's own layer always adds a bias to queries, keys and values; these have none.
    """

    def __init__(self, shape: MusicShape, dropout: float) -> None:
        super().__init__()
        self.heads = shape.heads
        self.norm1, self.norm2 = nn.LayerNorm(shape.dim), nn.LayerNorm(shape.dim)
        self.qkv = nn.Linear(shape.dim, 3 * shape.dim, bias=False)
        self.out = nn.Linear(shape.dim, shape.dim)
        self.widen, self.narrow = nn.Linear(shape.dim, shape.inner), nn.Linear(shape.inner, shape.dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.dropout(self.out(self._heard(self.norm1(x))))
        inner = self.dropout(functional.gelu(self.widen(self.norm2(x))))
        return x + self.dropout(self.narrow(inner))

    def _heard(self, x: torch.Tensor) -> torch.Tensor:
        three = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # [3, B, heads, T, dim // heads]
        return functional.scaled_dot_product_attention(*three).transpose(1, 2).flatten(2)


class Projection(nn.Sequential):
    """What a tower heard or read [B, dim] -> its place in the joint space [B, joint], not normalised."""

    def __init__(self, dim: int, joint: int) -> None:
        super().__init__(nn.LayerNorm(dim), nn.Linear(dim, joint, bias=False))


class MusicTower(nn.Module):
    """Audio [B, samples] at 16 kHz -> the joint space [B, joint], not normalised."""

    def __init__(self, shape: MusicShape, dropout: float = 0.1) -> None:
        super().__init__()
        self.mel = RealMel(shape.frame, shape.bands)
        self.front = FrontEnd(shape)
        self.places = nn.Parameter(torch.randn(1, shape.places, shape.dim))
        self.summary = nn.Parameter(torch.randn(shape.dim))  # the token that is read out
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(*(Layer(shape, dropout) for _ in range(shape.layers)))
        self.projection = Projection(shape.dim, shape.joint)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        tokens = self.front(self.mel(audio))
        tokens = torch.cat([self.summary.expand(len(tokens), 1, -1), tokens], dim=1)
        tokens = self.dropout(tokens + self.places[:, : tokens.shape[1]])
        return self.projection(self.layers(tokens)[:, 0])


# The authors' names of a music tower's weights, and ours.
_NAMES = (
    (r"audio_encoder\.audio_representation\.spec_fn\.window", "mel.window"),
    (r"audio_encoder\.audio_representation\.mel_scale\.fb", "mel.filters"),
    (r"audio_encoder\.pos_embedding", "places"),
    (r"audio_encoder\.cls_token", "summary"),
    (r"audio_encoder\.frontend\.input_bn\.", "front.norm."),
    (r"audio_encoder\.frontend\.fc\.", "front.out."),
    (r"audio_encoder\.frontend\.layer([1-4])\.", lambda found: f"front.blocks.{int(found[1]) - 1}."),
    (r"\.conv_(\d)\.", lambda found: f".{_CONVS[found[1]]}.0."),
    (r"\.bn_(\d)\.", lambda found: f".{_CONVS[found[1]]}.1."),
    (r"audio_encoder\.transformer\.layers\.", "layers."),
    (r"(layers\.\d+)\.0\.fn\.norm\.", r"\1.norm1."),
    (r"(layers\.\d+)\.0\.fn\.fn\.to_qkv\.", r"\1.qkv."),
    (r"(layers\.\d+)\.0\.fn\.fn\.to_out\.0\.", r"\1.out."),
    (r"(layers\.\d+)\.1\.fn\.norm\.", r"\1.norm2."),
    (r"(layers\.\d+)\.1\.fn\.fn\.net\.0\.", r"\1.widen."),
    (r"(layers\.\d+)\.1\.fn\.fn\.net\.3\.", r"\1.narrow."),
    (r"audio_projector\.", "projection."),
)
_CONVS = {"1": "first", "2": "second", "3": "past"}
_PARTS = (
    "audio_encoder.",
    "audio_projector.",
    "text_encoder.",
    "text_projector.",
    "head.",
    "logit_scale",
    "loss_fct.",
)


def read_checkpoint(path: Path) -> Weights:
    """The weights of {epoch, state_dict, optimizer}, without the prefix that training on several GPUs left."""
    # Mapped, so that the optimiser's numbers, twice as many as the weights, are not read.
    state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)["state_dict"]
    weights = {name.removeprefix("module."): weight for name, weight in state.items()}
    if strange := [name for name in weights if not name.startswith(_PARTS)]:
        raise ValueError(f"{path.name} is of another model: it holds {', '.join(strange[:3])}")
    return weights


def part(weights: Mapping[str, torch.Tensor], prefix: str) -> Weights:
    """The weights under a prefix, without it."""
    return {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}


def music_tower(weights: Weights) -> MusicTower:
    """The tower of a checkpoint, in eval mode; RuntimeError where a name or a shape does not fit."""
    state = renamed({name: weight for name, weight in weights.items() if name.startswith("audio_")}, _NAMES)
    tower = MusicTower(shape_of(state))
    tower.load_state_dict(state)
    return tower.eval()


def projection(weights: Weights) -> Projection:
    """A projection with these weights, in eval mode."""
    joint, dim = weights["1.weight"].shape
    net = Projection(dim, joint)
    net.load_state_dict(weights)
    return net.eval()


def renamed(weights: Weights, names: Names) -> Weights:
    """The weights under our names: every pattern is replaced in turn."""
    found = {}
    for name, weight in weights.items():
        for theirs, ours in names:
            name = re.sub(theirs, ours, name)
        found[name] = weight
    return found


def shape_of(state: Weights) -> MusicShape:
    """Of the tower that has these weights."""
    frame, bands = len(state["mel.window"]), state["mel.filters"].shape[1]
    _, places, dim = state["places"].shape
    return MusicShape(
        frame=frame,
        bands=bands,
        channels=len(state["front.blocks.0.first.0.bias"]),
        dim=dim,
        layers=1 + max(int(name.split(".")[1]) for name in state if name.startswith("layers.")),
        inner=len(state["layers.0.widen.bias"]),
        places=places,
        joint=len(state["projection.1.weight"]),
    )
