"""`make bench-gpu`: the encoders and the split pipeline on one GPU, in under eight minutes.

python -m tests.benchmarks.gpu [--device cpu --small] [--out bench-gpu]

Part A needs torch, transformers and NumPy. Part B needs tonelake's other packages and says which is missing. With
`--device cpu --small`, small networks rehearse the whole script on a machine without a GPU: its rates mean nothing.
"""

import argparse
import sys
import time
from pathlib import Path

import torch

from tests.benchmarks.gpu_encoders import Scale, run_part_a
from workers.encoders.base.inference import MAX_BATCH

PART_A_MINUTES = 5.0  # of eight
REHEARSAL_SECONDS, REHEARSAL_BATCH = 0.3, 8


def main() -> None:
    """Run both parts; exit with 1 if a goal other than the speed is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="small networks and a small catalogue")
    parser.add_argument("--out", type=Path, default=Path("bench-gpu"), help="folder of the picture")
    parser.add_argument("--seconds", type=float, default=1.2, help="of each network's measurement")
    arguments = parser.parse_args()
    if (arguments.device == "cuda") != torch.cuda.is_available():
        sys.exit("--device cuda needs a GPU, and --device cpu --small rehearses on a machine without one")
    started = time.monotonic()
    device = torch.device(arguments.device)
    on_gpu = device.type == "cuda"
    print(f"on {torch.cuda.get_device_name() if on_gpu else 'a CPU: a rehearsal'}, torch {torch.__version__}")
    scale = Scale(
        device,
        small=arguments.small,
        batch=None if on_gpu else REHEARSAL_BATCH,
        counted_batch=None if on_gpu else MAX_BATCH,
        window_seconds=None if on_gpu else 1,
        block_seconds=240 if on_gpu else 2,
        seconds=arguments.seconds if on_gpu else REHEARSAL_SECONDS,
    )
    misses = run_part_a(scale, started + 60 * PART_A_MINUTES)
    misses += run_part_b_or_skip(arguments)
    print(f"\n{(time.monotonic() - started) / 60:.1f} minutes")
    for line in misses:
        print(f"MISSED: {line}")
    sys.exit(1 if misses else 0)


def run_part_b_or_skip(arguments: argparse.Namespace) -> list[str]:
    """Run part B, or print which package it lacks."""
    try:
        from tests.benchmarks.gpu_pipeline import run_part_b
    except ImportError as error:
        print(f"\npart B is skipped: {error}")
        return []
    torch.cuda.empty_cache()
    return run_part_b(arguments.out, small=arguments.small)


if __name__ == "__main__":
    main()
