"""Each encoder beside the bare loop of its own net, in one run: on a GPU where there is one, else on one core.

python -m tests.benchmarks.encoders [NAME ...] [--seconds 5]

Encoders whose weights cannot be fetched are measured by their small likenesses: what those tell is what the wrapper
costs, not how fast the real network is. The bare loop holds its windows on the device and keeps its answers there.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Column, Table

from schemas.settings import Settings
from tests.conformance.golden import load, signal
from tests.conformance.small import SMALL
from workers.encoders.base.inference import batch_size, best_device
from workers.encoders.base.interface import Encoder
from workers.encoders.registry import ENCODERS


def main() -> None:
    """Loads, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[name for name in ENCODERS if not ENCODERS[name].unproven])
    parser.add_argument("--seconds", type=float, default=3.0, help="for each measurement")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(
        Column("encoder", overflow="fold"), "weights", "window s", "windows/s", "x real time", "of its bare loop"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.names:
            encoder = load(name, Settings().models, Path(folder))
            spec = encoder.spec.backbone.windows
            rate, share = measured(encoder, asked.seconds)
            table.add_row(
                name,
                "random, small" if name in SMALL else "real",
                f"{spec.window / spec.sample_rate:.1f}",
                f"{rate:.1f}",
                f"{rate * spec.hop / spec.sample_rate:,.0f}",
                "" if share is None else f"{share:.2f}",
            )
    Console(width=100).print(table)
    print(f"on {torch.cuda.get_device_name() if torch.cuda.is_available() else 'one core'}, torch {torch.__version__}")


def measured(encoder: Encoder, seconds: float) -> tuple[float, float | None]:
    """Windows a second, and their share of the bare loop's; None for an encoder that is no torch net."""
    spec = encoder.spec.backbone.windows
    windows = np.tile(signal(spec.window, spec.sample_rate), (batch_size(best_device()) * 2, 1))
    net = getattr(encoder, "_net", None)
    if not isinstance(net, torch.nn.Module):
        return rate(lambda: encoder.embed_windows(windows), len(windows), seconds), None
    resident = torch.from_numpy(windows).to(best_device()).split(batch_size(best_device()))

    @torch.inference_mode()
    def bare() -> None:
        for batch in resident:
            net(batch)

    # By turns, so that a noisy neighbour slows both.
    both = (lambda: encoder.embed_windows(windows), bare)
    turns = [[rate(work, len(windows), seconds / 3) for work in both] for _ in range(3)]
    ours, theirs = (sorted(side)[1] for side in zip(*turns, strict=True))
    return ours, ours / theirs


def rate(work: Callable[[], object], windows: int, seconds: float) -> float:
    """Windows a second of work repeated for that long; its first run, which warms up, is not counted."""
    work()
    synchronise()
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds or not done:
        work()
        synchronise()
        done += windows
    return done / (time.perf_counter() - started)


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
