"""Runs a torch net over windows, in batches that fit into its device's memory.

batches = WindowBatches(net, spec.backbone); batches(windows)
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from schemas.encoders import BackboneSpec
from workers.encoders.base.interface import Windows

torch.backends.cudnn.allow_tf32 = False  # otherwise convolutions on GPUs round float32 to 10 bits

CPU_BATCH = 1  # windows. Larger batches are no faster on a CPU, and a TTMR window takes 0.3 GB while it is embedded
FIRST_BATCH = 8  # windows of the first full batch on a GPU, which shows how much memory a window takes
MAX_BATCH = 64  # windows: enough work to fill a GPU
MAX_BATCH_BYTES = 16e9  # of memory. In much larger batches one tensor has over 2**31 numbers; not every kernel can
MEMORY_FRACTION = 0.5  # of the free memory. The rest is for fragments, and for other processes
IN_FLIGHT = 2  # batches: the device computes one while the CPU prepares the next

T = TypeVar("T", bound=Callable[..., torch.Tensor])


def in_float32(forward: T) -> T:
    """Keep a module's forward out of mixed precision.

    A spectrogram needs this: decibels of a sum in bfloat16 are off by .03.
    """
    for device in ("cpu", "cuda"):
        forward = torch.autocast(device, enabled=False)(forward)
    return forward


def fitting_batch(window_bytes: float, free_bytes: float) -> int:
    """Return how many windows to compute at once, by the memory that one takes."""
    return max(1, min(MAX_BATCH, int(min(MEMORY_FRACTION * free_bytes, MAX_BATCH_BYTES) / window_bytes)))


@dataclass(frozen=True, slots=True)
class _RunningBatch:
    """A batch that the device computes: where its features [b, dim] will be, and when."""

    features: torch.Tensor
    done: torch.cuda.Event | None

    def wait(self) -> np.ndarray:
        if self.done is not None:
            self.done.synchronize()
        return self.features.numpy()


class WindowBatches:
    """Computes windows with a net in batches, at most two of them in flight.

    The net maps audio [b, samples] to features [b, dim]. It computes in full float32 unless the spec says bfloat16.
    `size` is the number of windows of a batch. On a CPU it is CPU_BATCH unless it is given. On a GPU the memory that
    the first full batch takes determines it, and a batch that does not fit after all halves it.
    """

    def __init__(self, net: nn.Module, backbone: BackboneSpec, size: int | None = None) -> None:
        self.size = size
        self._net, self._backbone = net, backbone
        self._device = next(net.parameters()).device
        self._on_gpu = self._device.type == "cuda"
        self._uploads = torch.cuda.Stream(self._device) if self._on_gpu else None

    @torch.inference_mode()
    def __call__(self, windows: Windows) -> np.ndarray:
        """Compute features: windows, [B, samples] or B of [samples] -> float32 [B, dim].

        Raises torch.OutOfMemoryError if a single window does not fit.
        """
        rows = [np.zeros((0, self._backbone.dim), np.float32)]
        in_flight: deque[_RunningBatch] = deque()
        start = 0
        while start < len(windows):
            batch = windows[start : start + self._next_size(len(windows) - start)]
            running = self._start_or_none(batch)
            if running is None:
                self.size = len(batch) // 2
                continue
            in_flight.append(running)
            start += len(batch)
            if len(in_flight) == IN_FLIGHT:
                rows.append(in_flight.popleft().wait())
        rows.extend(running.wait() for running in in_flight)
        return np.concatenate(rows)

    def _next_size(self, remaining: int) -> int:
        """Return the size of the next batch: the remaining windows are divided evenly."""
        if self._on_gpu and self.size is None:
            return min(FIRST_BATCH, remaining)
        return math.ceil(remaining / math.ceil(remaining / (self.size or CPU_BATCH)))

    def _start_or_none(self, batch: Windows) -> _RunningBatch | None:
        """Start a batch, or return None if the device has too little memory for it.

        The caller tries again outside of `except`: inside, the exception still refers to the failed batch's tensors.
        """
        try:
            if self._on_gpu and self.size is None and len(batch) == FIRST_BATCH:
                return self._start_measured(batch)
            return self._start(batch)
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
        return None

    def _start_measured(self, batch: Windows) -> _RunningBatch:
        """Start a batch, and set the size of the next ones by its memory."""
        torch.cuda.reset_peak_memory_stats(self._device)
        before = torch.cuda.memory_allocated(self._device)
        running = self._start(batch)
        window_bytes = (torch.cuda.max_memory_allocated(self._device) - before) / len(batch)
        unused = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        self.size = fitting_batch(window_bytes, torch.cuda.mem_get_info(self._device)[0] + unused)
        return running

    def _start(self, batch: Windows) -> _RunningBatch:
        audio = self._upload(batch)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._backbone.dtype == "bfloat16"):
            features = self._net(audio).float()
        if not self._on_gpu:
            return _RunningBatch(features, None)
        host = torch.empty(features.shape, pin_memory=True)
        host.copy_(features, non_blocking=True)
        done = torch.cuda.Event()
        done.record()
        return _RunningBatch(host, done)

    def _upload(self, batch: Windows) -> torch.Tensor:
        """Return a batch on the device.

        From pinned memory, and on a stream of its own, so that the copy runs beside the batch that is computed.
        """
        audio = torch.empty((len(batch), *np.shape(batch[0])), pin_memory=self._on_gpu)
        np.stack(batch, out=audio.numpy())
        if self._uploads is None:
            return audio
        current = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._uploads):
            audio = audio.to(self._device, non_blocking=True)
        current.wait_stream(self._uploads)
        audio.record_stream(current)  # its memory was allocated on the other stream
        return audio
