"""The tables of part A of `make bench-gpu`, and the goals that a network must reach."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from schemas.audio import WindowSpec
from schemas.encoders import BackboneSpec
from tests.benchmarks.rates import print_table
from workers.embedding.pooling import pool_tracks
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.encoders.registry import ENCODERS

BLOCK_TRACKS = 16  # MAX_BLOCK_TRACKS of workers.distributed.pipeline, which cannot be imported here
CLIP_SECONDS, TRACK_SECONDS = 30, 240
GOAL = 0.90  # of the bare loop
TOLERANCE = 1e-5  # 1 - cosine in float32
BFLOAT16_TOLERANCE = 0.05  # 1 - cosine to float32, as in the conformance tests


@dataclass(frozen=True, slots=True)
class Measurement:
    """Figures of one network: rates in windows/s, distances as the largest 1 - cosine."""

    name: str
    parameters: int
    windows: WindowSpec
    size: int
    rate: float
    bare_rate: float
    bfloat16_rate: float
    neighbours: float
    cpu: float
    bfloat16: float
    sounds: float

    @property
    def misses(self) -> list[str]:
        """The goals that are not reached, except for the speed."""
        checks = {
            f"{self.name}: neighbours in a batch change a vector by {self.neighbours:.1e}": self.neighbours
            <= TOLERANCE,
            f"{self.name}: float32 differs from the CPU by {self.cpu:.1e}": self.cpu <= TOLERANCE,
            f"{self.name}: bfloat16 differs by {self.bfloat16:.1e}": self.bfloat16 <= BFLOAT16_TOLERANCE,
            f"{self.name}: two sounds differ by {self.sounds:.1e} only, no comparison means much": self.sounds
            > TOLERANCE,
        }
        return [line for line, passed in checks.items() if not passed]


def print_speeds(measured: list[Measurement]) -> None:
    rows = [
        (
            row.name,
            f"{row.parameters / 1e6:,.1f}",
            str(row.size),
            f"{row.rate:,.1f}",
            f"{row.bare_rate:,.1f}",
            f"{row.rate / row.bare_rate:.2f}{'' if row.rate >= GOAL * row.bare_rate else ' below goal'}",
            f"{row.bfloat16_rate:,.1f}",
            f"{row.rate * row.windows.hop / row.windows.sample_rate:,.0f}",
        )
        for row in measured
    ]
    header = ("network", "M weights", "batch", "windows/s", "bare loop", "ratio", "bfloat16", "x real time")
    print_table(f"Speed through our batching; the goal is {GOAL:.2f} of the bare loop", header, rows)


def print_distances(measured: list[Measurement], windows: int) -> None:
    rows = [
        (row.name, *(f"{number:.1e}" for number in (row.neighbours, row.cpu, row.bfloat16, row.sounds)))
        for row in measured
    ]
    header = ("network", "alone or in a batch", "float32 to CPU", "bfloat16 to CPU's float32", "two sounds")
    print_table(f"Largest 1 - cosine of {windows} windows; the bound in float32 is {TOLERANCE:.0e}", header, rows)


def print_batches(measured: list[Measurement], size: int | None) -> None:
    """Print how many batches blocks of clips and of tracks make, of the measured size if `size` is None."""
    rows = []
    for row in measured:
        limit, spec = size or row.size, ENCODERS[row.name].spec.backbone.windows
        cells = [row.name, str(limit)]
        for seconds in (CLIP_SECONDS, TRACK_SECONDS):
            windows = spec.count_windows(seconds * spec.sample_rate)
            sizes = count_batches(windows, limit)
            cells += [str(windows), f"{len(sizes)} x {max(sizes)}"]
        rows.append(tuple(cells))
    header = ("network", "at most", "windows of 30 s", "batches of a block", "windows of 4 min", "batches of a block")
    print_table(f"Batches of blocks of {BLOCK_TRACKS} tracks, counted", header, rows)


def count_batches(windows: int, size: int) -> list[int]:
    """Return the sizes of the batches that a block of tracks of so many windows each makes."""
    net = CountingNet()
    backbone = BackboneSpec("", WindowSpec(1, window=1, hop=1), "", "", dim=1)
    encoder = TorchEncoder(replace(ENCODERS["fake"].spec, backbone=backbone), net)
    encoder.batches.size = size
    pool_tracks([np.ones((windows, 1), np.float32)] * BLOCK_TRACKS, encoder)
    return net.sizes


class CountingNet(nn.Module):
    """A net that only notes the size of each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.sizes = nn.Parameter(torch.ones(1)), []

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(audio))
        return audio * self.weight
