"""TTMR++'s music tower as plain modules: CLIP's residual network over a log-mel spectrogram.

net = Levelled(plus_tower(read_checkpoint(path))); net(audio)
Source: S. Doh, M. Lee, D. Jeong, J. Nam, "Enriching Music Descriptions with a Finetuned-LLM and Metadata for
Text-to-Music Retrieval" (ICASSP 2024), and its code, seungheondoh/music-text-representation-pp at 4bc7aa78. Network:
A. Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021).
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from workers.encoders.pretrained_audio.whisper_mel import WhisperMel
from workers.encoders.ttmr.net import Projection, Weights, rename_weights

SAMPLE_RATE = 22_050
WINDOW = 220_500  # 10 s
FRAME, HOP, BANDS = 1024, 220, 128

_FULL_SCALE = 32_767
_EXPANSION = 4


@dataclass(frozen=True, slots=True)
class PlusShape:
    """Sizes of a music tower; the defaults are those of the authors' training script."""

    width: int = 64
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    heads: int = 8
    dim: int = 512
    joint: int = 128
    positions: int = 1


class PeakNormalised(nn.Module):
    """A net over audio [B, samples] that is first scaled to -1..1.

    The scaled audio is rounded towards 0 to 16 bits. The authors scale a whole track before they cut it. Constant
    audio becomes silence here; in the authors' code it divides 0 by 0.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        low, high = audio.amin(1, keepdim=True), audio.amax(1, keepdim=True)
        spread = torch.where(high > low, high - low, 1.0)
        scaled = torch.where(high > low, (audio - low) / spread * 2 - 1, 0.0)
        return self.net(torch.trunc(scaled * _FULL_SCALE) / _FULL_SCALE)


class Bottleneck(nn.Module):
    """A bottleneck block of a residual network, with mean pooling for its stride.

    [B, channels_in, F, T] -> [B, 4 * planes, F // stride, T // stride].
    """

    def __init__(self, channels_in: int, planes: int, stride: int) -> None:
        super().__init__()
        channels_out = _EXPANSION * planes
        self.narrow = _normed_conv(channels_in, planes, 1)
        self.middle = _normed_conv(planes, planes, 3)
        self.pool = nn.AvgPool2d(stride)
        self.widen = _normed_conv(planes, channels_out, 1)
        self.shortcut = nn.Identity()
        if stride > 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(nn.AvgPool2d(stride), *_normed_conv(channels_in, channels_out, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = functional.relu(self.middle(functional.relu(self.narrow(x))))
        return functional.relu(self.widen(self.pool(inner)) + self.shortcut(x))


class AttentionPool(nn.Module):
    """Attention pooling: [B, dim, F, T] -> [B, dim_out].

    The mean cell attends to all cells and itself. The authors' formula for the number of positions gives 0, so that
    all cells share one position: `positions` is 1.
    """

    def __init__(self, positions: int, dim: int, heads: int, dim_out: int) -> None:
        super().__init__()
        self.heads = heads
        self.positions = nn.Parameter(torch.randn(positions, dim) / dim**0.5)
        self.query, self.key, self.value = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cells = x.flatten(2).transpose(1, 2)
        cells = torch.cat([cells.mean(1, keepdim=True), cells], dim=1) + self.positions
        qkv = self.query(cells[:, :1]), self.key(cells), self.value(cells)
        heads = (rows.unflatten(2, (self.heads, -1)).transpose(1, 2) for rows in qkv)
        return self.out(functional.scaled_dot_product_attention(*heads).flatten(1))


class PlusTower(nn.Module):
    """Audio [B, samples] at 22 050 Hz -> the joint space [B, joint], not normalised.

    The audio is scaled to -1..1, as PeakNormalised does.
    """

    def __init__(self, shape: PlusShape) -> None:
        super().__init__()
        half, width = shape.width // 2, shape.width
        # The authors take the floor from the loudest cell of a batch, which is a whole track.
        self.mel = WhisperMel(SAMPLE_RATE, FRAME, HOP, BANDS)
        self.stem = nn.ModuleList(
            [_normed_conv(1, half, 3, stride=2), _normed_conv(half, half, 3), _normed_conv(half, width, 3)]
        )
        channels, stages = width, []
        for number, blocks in enumerate(shape.blocks):
            planes = width * 2**number
            stage = [Bottleneck(channels, planes, stride=2 if number else 1)]
            channels = _EXPANSION * planes
            stage += [Bottleneck(channels, planes, stride=1) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(*stage))
        self.stages = nn.Sequential(*stages)
        self.pool = AttentionPool(shape.positions, channels, shape.heads, shape.dim)
        self.projection = Projection(shape.dim, shape.joint)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        x = self.mel(audio)[:, None]
        for conv in self.stem:
            x = functional.relu(conv(x))
        return self.projection(self.pool(self.stages(functional.avg_pool2d(x, 2))))


def _normed_conv(channels_in: int, channels_out: int, size: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels_out, size, stride=stride, padding=size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out))


# Patterns of the authors' names of a music tower's weights, and our names.
_CONVS = {"1": "narrow", "2": "middle", "3": "widen"}
_NAMES = (
    (r"audio_encoder\.layer(\d)\.", lambda match: f"stages.{int(match[1]) - 1}."),
    (r"(stages\.\d\.\d+)\.conv(\d)\.", lambda match: f"{match[1]}.{_CONVS[match[2]]}.0."),
    (r"(stages\.\d\.\d+)\.bn(\d)\.", lambda match: f"{match[1]}.{_CONVS[match[2]]}.1."),
    (r"\.downsample\.(\d)\.", lambda match: f".shortcut.{int(match[1]) + 1}."),
    (r"audio_encoder\.conv(\d)\.", lambda match: f"stem.{int(match[1]) - 1}.0."),
    (r"audio_encoder\.bn(\d)\.", lambda match: f"stem.{int(match[1]) - 1}.1."),
    (r"audio_encoder\.attn_pool\.positional_embedding", "pool.positions"),
    (r"audio_encoder\.attn_pool\.q_proj\.", "pool.query."),
    (r"audio_encoder\.attn_pool\.k_proj\.", "pool.key."),
    (r"audio_encoder\.attn_pool\.v_proj\.", "pool.value."),
    (r"audio_encoder\.attn_pool\.c_proj\.", "pool.out."),
    (r"audio_projector\.", "projection."),
)


def build_plus_tower(weights: Weights, heads: int = 8) -> PlusTower:
    """Build the music tower of a checkpoint, in eval mode.

    Raises RuntimeError if a name or a shape does not fit.
    """
    state = rename_weights({name: weight for name, weight in weights.items() if name.startswith("audio_")}, _NAMES)
    block_names = [{name.split(".")[2] for name in state if name.startswith(f"stages.{stage}.")} for stage in range(4)]
    joint, dim = state["projection.1.weight"].shape
    shape = PlusShape(
        width=len(state["stem.2.0.weight"]),
        blocks=tuple(len(names) for names in block_names),
        heads=heads,
        dim=dim,
        joint=joint,
        positions=len(state["pool.positions"]),
    )
    tower = PlusTower(shape)
    tower.load_state_dict(state)
    return tower.eval()
