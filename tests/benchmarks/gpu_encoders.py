"""Part A of `make bench-gpu`: each encoder's network at full size, through our batching and in a bare loop.

It needs torch, transformers and NumPy, but neither Ray, Lance nor a decoder.
"""

import copy
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice

import numpy as np
import torch
from torch import nn

from schemas.audio import WindowSpec
from schemas.encoders import EncoderSpec
from tests.benchmarks.gpu_nets import NETS, SMALL_NETS, build_net
from tests.benchmarks.gpu_report import (
    BLOCK_TRACKS,
    TOLERANCE,
    Measurement,
    print_batches,
    print_distances,
    print_speeds,
)
from tests.benchmarks.rates import rates_in_turns, synchronise
from workers.embedding.pooling import pool_tracks
from workers.encoders.base.inference import FIRST_BATCH, WindowBatches
from workers.encoders.base.torch_encoder import TorchEncoder
from workers.encoders.registry import ENCODERS

COMPARED = 3  # windows that are computed on the CPU too
DISTINCT = 32  # windows that differ; a block repeats them


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: the full networks on a GPU, or small ones in a rehearsal on a CPU.

    `batch` is the size of batches; None lets the memory of the GPU determine it. `counted_batch` is the size for the
    table of batches; None is the measured one. `block_seconds` is the length of the
    tracks of the block whose speed is measured, `seconds` the time for it. Windows have `window_seconds`; None is the
    encoder's own length.
    """

    device: torch.device
    small: bool
    batch: int | None
    counted_batch: int | None
    window_seconds: int | None
    block_seconds: int
    seconds: float

    def spec(self, name: str) -> EncoderSpec:
        """Return the spec of an encoder, with windows of this scale."""
        spec = ENCODERS[name].spec
        if self.window_seconds is None:
            return spec
        samples = self.window_seconds * spec.backbone.windows.sample_rate
        windows = replace(spec.backbone.windows, window=samples, hop=samples)
        return replace(spec, backbone=replace(spec.backbone, windows=windows))


def run_part_a(scale: Scale, deadline: float) -> list[str]:
    """Measure every network, print the tables and return the goals that are missed.

    After `deadline`, in time.monotonic() seconds, the remaining networks are left out; each counts as missed.
    """
    measured, misses = [], []
    for name in SMALL_NETS if scale.small else NETS:
        if time.monotonic() > deadline:
            misses.append(f"{name}: no time was left for it")
            continue
        measured.append(measure(name, scale))
        print(f"{name}: {measured[-1].rate:,.1f} windows/s", flush=True)
    print_speeds(measured)
    print_distances(measured, COMPARED)
    print_batches(measured, scale.counted_batch)
    return misses + [line for row in measured for line in row.misses] + check_out_of_memory(scale)


def measure(name: str, scale: Scale) -> Measurement:
    """Measure one network."""
    spec = scale.spec(name)
    net = build_net(name, scale.device, small=scale.small)
    encoder, half = TorchEncoder(spec, net), TorchEncoder(spec.with_bfloat16(), net)
    encoder.batches.size = half.batches.size = scale.batch
    windows = list(make_windows(spec.backbone.windows))
    for variant in (encoder, half):  # a GPU's first batches determine the size
        variant.embed_windows(list(islice(cycle(windows), 2 * FIRST_BATCH)))
    size = encoder.batches.size
    bare_rate, own_rate, half_rate = measure_rates(encoder, half, net, windows, scale)
    batch = list(islice(cycle(windows), size))
    in_batch = encoder.embed_windows(batch)[:COMPARED]
    alone = WindowBatches(net, spec.backbone, 1)(batch[:COMPARED])
    on_cpu = WindowBatches(copy.deepcopy(net).cpu(), spec.backbone)(batch[:COMPARED])
    return Measurement(
        name,
        sum(parameter.numel() for parameter in net.parameters()),
        spec.backbone.windows,
        size,
        own_rate,
        bare_rate,
        half_rate,
        neighbours=max_distance(in_batch, alone),
        cpu=max_distance(in_batch, on_cpu),
        bfloat16=max_distance(half.embed_windows(batch)[:COMPARED], on_cpu),
        sounds=max_distance(on_cpu[:1], on_cpu[1:2]),
    )


def measure_rates(
    encoder: TorchEncoder, half: TorchEncoder, net: nn.Module, windows: list[np.ndarray], scale: Scale
) -> list[float]:
    """Return windows/s of the bare loop, of our batching, and of our batching in bfloat16.

    The bare loop has its windows and leaves its results on the device. A block is cut if it takes much time.
    """
    size = encoder.batches.size
    resident = torch.from_numpy(np.stack(list(islice(cycle(windows), 2 * size)))).to(scale.device).split(size)

    @torch.inference_mode()
    def bare(batches: int) -> None:
        for batch in islice(cycle(resident), batches):
            net(batch)

    bare(1)
    synchronise()
    started = time.perf_counter()
    bare(2)
    synchronise()
    affordable = scale.seconds / 3 / (time.perf_counter() - started) * 2
    spec = encoder.spec.backbone.windows
    block = BLOCK_TRACKS * spec.count_windows(scale.block_seconds * spec.sample_rate)
    batches = max(2, min(math.ceil(block / size), round(affordable)))
    count = min(block, batches * size)
    tracks = np.array_split(np.arange(count) % len(windows), BLOCK_TRACKS)
    block_windows = [[windows[index] for index in track] for track in tracks if len(track)]
    loops = (
        lambda: bare(batches),
        lambda: pool_tracks(block_windows, encoder),
        lambda: pool_tracks(block_windows, half),
    )
    return rates_in_turns(loops, (batches * size, count, count), scale.seconds)


def make_windows(spec: WindowSpec) -> Iterator[np.ndarray]:
    """Yield windows that differ: notes over noise, float32 [window]."""
    seconds = np.arange(spec.window, dtype=np.float32) / spec.sample_rate
    rng = np.random.default_rng(0)
    for number in range(DISTINCT):
        note = np.sin(2 * np.pi * 110 * 2 ** (number * 7 % 36 / 12) * seconds) * np.exp(
            -(seconds % 0.5) * (1 + number % 5)
        )
        noise = rng.standard_normal(spec.window, np.float32)
        yield (0.3 * note + 0.03 * (1 + number % 7) * noise).astype(np.float32)


def max_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest 1 - cosine between rows."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float((1 - (first * second).sum(1) / norms).max())


def check_out_of_memory(scale: Scale) -> list[str]:
    """Compute windows with too little memory for them at once; return what is wrong.

    A GPU's memory is limited for this process. On a CPU the net refuses large batches as a GPU would.
    """
    name = next(iter(SMALL_NETS if scale.small else NETS))
    backbone, net = scale.spec(name).backbone, build_net(name, scale.device, small=scale.small)
    windows = list(islice(cycle(make_windows(backbone.windows)), 3 * FIRST_BATCH))
    expected, batch_bytes = compute_and_weigh(WindowBatches(net, backbone, FIRST_BATCH), windows, scale.device)
    tight = WindowBatches(net, backbone, len(windows))
    with little_memory(net, batch_bytes, scale.device):
        features = tight(windows)
    distance = max_distance(features, expected)
    print(f"\nOut of memory: {len(windows)} windows of {name} went down to {tight.size}; 1 - cosine {distance:.1e}")
    misses = [] if tight.size < len(windows) else ["no batch was halved: the memory was not too little"]
    return misses + ([] if distance <= TOLERANCE else ["vectors differ after memory ran out"])


def compute_and_weigh(
    batches: WindowBatches, windows: list[np.ndarray], device: torch.device
) -> tuple[np.ndarray, int]:
    """Return features, and the bytes of the GPU's memory that computing them takes (0 on a CPU)."""
    if device.type == "cpu":
        return batches(windows), 0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_reserved(device)
    features = batches(windows)
    return features, torch.cuda.max_memory_reserved(device) - before


@contextmanager
def little_memory(net: nn.Module, batch_bytes: int, device: torch.device) -> Iterator[None]:
    """Leave memory for half as much again as a batch of FIRST_BATCH windows takes."""
    room = FIRST_BATCH * 3 // 2
    if device.type == "cpu":
        hook = net.register_forward_pre_hook(partial(refuse_large_batches, room))
        try:
            yield
        finally:
            hook.remove()
        return
    torch.cuda.empty_cache()
    allowed = torch.cuda.memory_reserved(device) + batch_bytes * room / FIRST_BATCH
    torch.cuda.set_per_process_memory_fraction(allowed / torch.cuda.mem_get_info(device)[1], device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def refuse_large_batches(room: int, _: nn.Module, inputs: tuple[torch.Tensor]) -> None:
    """Raise the error of a GPU without memory for more than `room` windows."""
    if len(inputs[0]) > room:
        raise torch.OutOfMemoryError(f"no room for {len(inputs[0])} windows")
