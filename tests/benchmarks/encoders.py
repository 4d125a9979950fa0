"""The speed of each encoder against the bare loop of its own net.

Both run on a GPU if there is one, else on one core.

python -m tests.benchmarks.encoders [NAME ...] [--seconds 5]

Encoders whose weights cannot be fetched are measured by their small versions: these show the cost of the wrapper, not
the speed of the real network. The bare loop keeps its windows and its results on the device.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import torch
from rich.console import Console
from rich.table import Column, Table

from schemas.settings import Settings
from tests.benchmarks.figures import Figure, record_figures
from tests.benchmarks.rates import rate, rates_in_turns
from tests.conformance.golden import load_or_build_small, signal
from tests.conformance.small import SMALL
from workers.devices import best_device
from workers.encoders.base.inference import CPU_BATCH, MAX_BATCH
from workers.encoders.base.interface import Encoder
from workers.encoders.registry import ENCODERS


def main() -> None:
    """Load the encoders, measure them and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[name for name in ENCODERS if not ENCODERS[name].unpinned])
    parser.add_argument("--seconds", type=float, default=3.0, help="for each measurement")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(
        Column("encoder", overflow="fold"), "weights", "window s", "windows/s", "x real time", "of its bare loop"
    )
    fractions, default_speed = {}, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.names:
            encoder = load_or_build_small(name, Settings().models, Path(folder))
            spec = encoder.spec.backbone.windows
            speed, fraction = measure(encoder, arguments.seconds)
            if fraction is not None:
                fractions[name] = fraction
            if name == Settings().encoder:
                default_speed = speed * spec.hop / spec.sample_rate
            table.add_row(
                name,
                "random, small" if name in SMALL else "real",
                f"{spec.window / spec.sample_rate:.1f}",
                f"{speed:.1f}",
                f"{speed * spec.hop / spec.sample_rate:,.0f}",
                "" if fraction is None else f"{fraction:.2f}",
            )
    Console(width=100).print(table)
    shares = {
        "least_of_loop": Figure(min(fractions.values()), "", True),
        "median_of_loop": Figure(median(fractions.values()), "", True),
        "default": Figure(default_speed, "x real time", True),
    }
    record_figures("encoders", shares)
    print(f"on {torch.cuda.get_device_name() if torch.cuda.is_available() else 'one core'}, torch {torch.__version__}")


def measure(encoder: Encoder, seconds: float) -> tuple[float, float | None]:
    """Return windows per second, and the fraction of the bare loop's.

    The fraction is None for an encoder that is not a torch net.
    """
    spec = encoder.spec.backbone.windows
    size = CPU_BATCH if best_device().type == "cpu" else MAX_BATCH
    windows = np.tile(signal(spec.window, spec.sample_rate), (size * 2, 1))
    net = getattr(encoder, "_net", None)
    if not isinstance(net, torch.nn.Module):
        return rate(lambda: encoder.embed_windows(windows), len(windows), seconds), None
    encoder.embed_windows(windows)  # on a GPU it finds the size of a batch
    resident = torch.from_numpy(windows).to(best_device()).split(encoder.batches.size or size)

    @torch.inference_mode()
    def bare() -> None:
        for batch in resident:
            net(batch)

    loops = (lambda: encoder.embed_windows(windows), bare)
    wrapped_rate, bare_rate = rates_in_turns(loops, [len(windows)] * 2, seconds)
    return wrapped_rate, wrapped_rate / bare_rate


if __name__ == "__main__":
    main()
