"""TTMR's networks as plain modules, for embedding and for training.

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
    positions: int = 513
    joint: int = 128


class RealMel(nn.Module):
    """Audio [B, samples] -> mel spectrogram in dB [B, bands, 1 + samples // 160].

    Only the real part of the spectrum is squared: a mistake of the authors, with which their weights were trained.
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
    """Two convolutions plus a shortcut, then max pooling.

    [B, channels_in, F, T] -> [B, channels, F // 2, T // 2].
    """

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.first = _normed_conv(channels_in, channels)
        self.second = _normed_conv(channels, channels)
        self.past = _normed_conv(channels_in, channels) if channels_in != channels else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.past(x) + self.second(functional.relu(self.first(x)))
        return functional.max_pool2d(functional.relu(x), 2)


def _normed_conv(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.BatchNorm2d(channels_out))


class FrontEnd(nn.Module):
    """Spectrogram [B, bands, frames] -> tokens [B, frames // 16, dim].

    A token joins the channels and bands of one step of time.
    """

    def __init__(self, shape: MusicShape) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.blocks = nn.Sequential(*(ConvBlock(channels, shape.channels) for channels in (1, *[shape.channels] * 3)))
        self.out = nn.Linear(shape.channels * (shape.bands // 16), shape.dim)

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.norm(mel[:, None]))
        return self.out(x.permute(0, 3, 1, 2).flatten(2))


class TransformerLayer(nn.Module):
    """A transformer layer that normalises first: [B, T, dim] -> [B, T, dim].

    It is not torch's, because that always adds a bias to queries, keys and values; these have none.
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
        x = x + self.dropout(self.out(self._attend(self.norm1(x))))
        inner = self.dropout(functional.gelu(self.widen(self.norm2(x))))
        return x + self.dropout(self.narrow(inner))

    def _attend(self, x: torch.Tensor) -> torch.Tensor:
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # [3, B, heads, T, dim // heads]
        return functional.scaled_dot_product_attention(*qkv).transpose(1, 2).flatten(2)


class Projection(nn.Sequential):
    """A tower's output [B, dim] -> the joint space [B, joint], not normalised."""

    def __init__(self, dim: int, joint: int) -> None:
        super().__init__(nn.LayerNorm(dim), nn.Linear(dim, joint, bias=False))


class MusicTower(nn.Module):
    """Audio [B, samples] at 16 kHz -> the joint space [B, joint], not normalised.

    Trained models on disk use the names of its modules.
    """

    def __init__(self, shape: MusicShape, dropout: float = 0.1) -> None:
        super().__init__()
        self.mel = RealMel(shape.frame, shape.bands)
        self.front = FrontEnd(shape)
        self.places = nn.Parameter(torch.randn(1, shape.positions, shape.dim))
        self.summary = nn.Parameter(torch.randn(shape.dim))  # the token that is read out
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(*(TransformerLayer(shape, dropout) for _ in range(shape.layers)))
        self.projection = Projection(shape.dim, shape.joint)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        tokens = self.front(self.mel(audio))
        tokens = torch.cat([self.summary.expand(len(tokens), 1, -1), tokens], dim=1)
        tokens = self.dropout(tokens + self.places[:, : tokens.shape[1]])
        return self.projection(self.layers(tokens)[:, 0])


# Patterns of the authors' names of a music tower's weights, and our names.
_NAMES = (
    (r"audio_encoder\.audio_representation\.spec_fn\.window", "mel.window"),
    (r"audio_encoder\.audio_representation\.mel_scale\.fb", "mel.filters"),
    (r"audio_encoder\.pos_embedding", "places"),
    (r"audio_encoder\.cls_token", "summary"),
    (r"audio_encoder\.frontend\.input_bn\.", "front.norm."),
    (r"audio_encoder\.frontend\.fc\.", "front.out."),
    (r"audio_encoder\.frontend\.layer([1-4])\.", lambda match: f"front.blocks.{int(match[1]) - 1}."),
    (r"\.conv_(\d)\.", lambda match: f".{_CONVS[match[1]]}.0."),
    (r"\.bn_(\d)\.", lambda match: f".{_CONVS[match[1]]}.1."),
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
    """Read the weights of a checkpoint {epoch, state_dict, optimizer}.

    Removes the prefix that training on several GPUs adds to names. Raises ValueError if the checkpoint holds weights
    of another model.
    """
    # Memory-mapped, so that the optimiser's numbers, twice as many as the weights, are not read.
    state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)["state_dict"]
    weights = {name.removeprefix("module."): weight for name, weight in state.items()}
    if unknown := [name for name in weights if not name.startswith(_PARTS)]:
        raise ValueError(f"{path.name} is of another model: it holds {', '.join(unknown[:3])}")
    return weights


def strip_prefix(weights: Mapping[str, torch.Tensor], prefix: str) -> Weights:
    """Return the weights whose names start with a prefix, without the prefix."""
    return {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}


def build_music_tower(weights: Weights) -> MusicTower:
    """Build the music tower of a checkpoint, in eval mode.

    Raises RuntimeError if a name or a shape does not fit.
    """
    state = rename_weights({name: weight for name, weight in weights.items() if name.startswith("audio_")}, _NAMES)
    tower = MusicTower(infer_shape(state))
    tower.load_state_dict(state)
    return tower.eval()


def build_projection(weights: Weights) -> Projection:
    """Build a projection with these weights, in eval mode."""
    joint, dim = weights["1.weight"].shape
    net = Projection(dim, joint)
    net.load_state_dict(weights)
    return net.eval()


def rename_weights(weights: Weights, names: Names) -> Weights:
    """Rename weights by replacing every pattern of `names` in turn."""
    renamed = {}
    for name, weight in weights.items():
        for pattern, replacement in names:
            name = re.sub(pattern, replacement, name)
        renamed[name] = weight
    return renamed


def infer_shape(state: Weights) -> MusicShape:
    """Return the sizes of the music tower that has these weights.

    The number of heads cannot be inferred: it is the published one.
    """
    frame, bands = len(state["mel.window"]), state["mel.filters"].shape[1]
    _, positions, dim = state["places"].shape
    return MusicShape(
        frame=frame,
        bands=bands,
        channels=len(state["front.blocks.0.first.0.bias"]),
        dim=dim,
        layers=1 + max(int(name.split(".")[1]) for name in state if name.startswith("layers.")),
        inner=len(state["layers.0.widen.bias"]),
        positions=positions,
        joint=len(state["projection.1.weight"]),
    )
