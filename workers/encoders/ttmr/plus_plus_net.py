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
from workers.encoders.ttmr.net import Projection, Weights, renamed

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
    places: int = 1


class Levelled(nn.Module):
    """A net over audio [B, samples] that is first stretched to -1..1, in steps of 16 bits towards 0.

    The authors do this to a whole track before they cut it. Constant audio becomes silence (theirs divides 0 by 0).
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
    """[B, before, F, T] -> [B, 4 * planes, F // stride, T // stride]; a mean over cells makes the step."""

    def __init__(self, before: int, planes: int, stride: int) -> None:
        super().__init__()
        after = _EXPANSION * planes
        self.narrow = _normed_conv(before, planes, 1)
        self.middle = _normed_conv(planes, planes, 3)
        self.step = nn.AvgPool2d(stride)
        self.widen = _normed_conv(planes, after, 1)
        self.past = nn.Identity()
        if stride > 1 or before != after:
            self.past = nn.Sequential(nn.AvgPool2d(stride), *_normed_conv(before, after, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = functional.relu(self.middle(functional.relu(self.narrow(x))))
        return functional.relu(self.widen(self.step(inner)) + self.past(x))


class AttentionPool(nn.Module):
    """[B, dim, F, T] -> [B, after]: the mean cell asks all cells and itself.

    The authors' sum for the number of places comes to 0, so that all cells share one place: `places` is 1.
    """

    def __init__(self, places: int, dim: int, heads: int, after: int) -> None:
        super().__init__()
        self.heads = heads
        self.places = nn.Parameter(torch.randn(places, dim) / dim**0.5)
        self.query, self.key, self.value = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.out = nn.Linear(dim, after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cells = x.flatten(2).transpose(1, 2)
        cells = torch.cat([cells.mean(1, keepdim=True), cells], dim=1) + self.places
        three = self.query(cells[:, :1]), self.key(cells), self.value(cells)
        heads = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in three)
        return self.out(functional.scaled_dot_product_attention(*heads).flatten(1))


class PlusTower(nn.Module):
    """Audio [B, samples] at 22 050 Hz, levelled -> the joint space [B, joint], not normalised."""

    def __init__(self, shape: PlusShape) -> None:
        super().__init__()
        half, width = shape.width // 2, shape.width
        # The authors take the floor from the loudest cell of a batch, which is a track.
        self.mel = WhisperMel(SAMPLE_RATE, FRAME, HOP, BANDS)
        self.stem = nn.ModuleList(
            [_normed_conv(1, half, 3, stride=2), _normed_conv(half, half, 3), _normed_conv(half, width, 3)]
        )
        before, stages = width, []
        for number, blocks in enumerate(shape.blocks):
            planes = width * 2**number
            befores = (before, *[_EXPANSION * planes] * (blocks - 1))
            strides = (2 if number else 1, *[1] * (blocks - 1))
            stages.append(nn.Sequential(*(Bottleneck(b, planes, s) for b, s in zip(befores, strides, strict=True))))
            before = _EXPANSION * planes
        self.stages = nn.Sequential(*stages)
        self.pool = AttentionPool(shape.places, before, shape.heads, shape.dim)
        self.projection = Projection(shape.dim, shape.joint)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        x = self.mel(audio)[:, None]
        for conv in self.stem:
            x = functional.relu(conv(x))
        return self.projection(self.pool(self.stages(functional.avg_pool2d(x, 2))))


def _normed_conv(before: int, after: int, size: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(before, after, size, stride=stride, padding=size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after))


# The authors' names of a music tower's weights, and ours.
_CONVS = {"1": "narrow", "2": "middle", "3": "widen"}
_NAMES = (
    (r"audio_encoder\.layer(\d)\.", lambda found: f"stages.{int(found[1]) - 1}."),
    (r"(stages\.\d\.\d+)\.conv(\d)\.", lambda found: f"{found[1]}.{_CONVS[found[2]]}.0."),
    (r"(stages\.\d\.\d+)\.bn(\d)\.", lambda found: f"{found[1]}.{_CONVS[found[2]]}.1."),
    (r"\.downsample\.(\d)\.", lambda found: f".past.{int(found[1]) + 1}."),
    (r"audio_encoder\.conv(\d)\.", lambda found: f"stem.{int(found[1]) - 1}.0."),
    (r"audio_encoder\.bn(\d)\.", lambda found: f"stem.{int(found[1]) - 1}.1."),
    (r"audio_encoder\.attn_pool\.positional_embedding", "pool.places"),
    (r"audio_encoder\.attn_pool\.q_proj\.", "pool.query."),
    (r"audio_encoder\.attn_pool\.k_proj\.", "pool.key."),
    (r"audio_encoder\.attn_pool\.v_proj\.", "pool.value."),
    (r"audio_encoder\.attn_pool\.c_proj\.", "pool.out."),
    (r"audio_projector\.", "projection."),
)


def plus_tower(weights: Weights, heads: int = 8) -> PlusTower:
    """The tower of a checkpoint, in eval mode; RuntimeError where a name or a shape does not fit."""
    state = renamed({name: weight for name, weight in weights.items() if name.startswith("audio_")}, _NAMES)
    blocks = [{name.split(".")[2] for name in state if name.startswith(f"stages.{stage}.")} for stage in range(4)]
    joint, dim = state["projection.1.weight"].shape
    shape = PlusShape(
        width=len(state["stem.2.0.weight"]),
        blocks=tuple(len(found) for found in blocks),
        heads=heads,
        dim=dim,
        joint=joint,
        places=len(state["pool.places"]),
    )
    tower = PlusTower(shape)
    tower.load_state_dict(state)
    return tower.eval()
