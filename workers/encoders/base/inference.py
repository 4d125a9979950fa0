"""Runs a torch net over windows.

On a GPU, if there is one, windows are computed in batches; on the CPU, one at a time.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from schemas.encoders import BackboneSpec

torch.backends.cudnn.allow_tf32 = False  # otherwise convolutions on GPUs round float32 to 10 bits

T = TypeVar("T", bound=Callable[..., torch.Tensor])


def batch_size(device: torch.device) -> int:
    """Return how many windows to compute at once.

    On a CPU, larger batches are no faster, and a single TTMR window takes 0.3 GB while it is embedded.
    """
    return 1 if device.type == "cpu" else 16


def in_float32(forward: T) -> T:
    """Keep a module's forward out of mixed precision.

    A spectrogram needs this: decibels of a sum in bfloat16 are off by .03.
    """
    for device in ("cpu", "cuda"):
        forward = torch.autocast(device, enabled=False)(forward)
    return forward


@torch.inference_mode()
def embed(net: nn.Module, windows: np.ndarray, backbone: BackboneSpec) -> np.ndarray:
    """Apply `net` (audio [b, samples] -> [b, dim]) to windows.

    Windows [B, samples] -> float32 [B, dim]. The net computes in full float32 unless the spec says bfloat16. On a GPU,
    all batches are queued from pinned memory before the first result is read. Several threads may call at once.
    """
    device = next(net.parameters()).device
    size = batch_size(device)
    rows = [torch.zeros((0, backbone.dim), device=device)]
    with torch.autocast(device.type, torch.bfloat16, enabled=backbone.dtype == "bfloat16"):
        for start in range(0, len(windows), size):
            audio = torch.from_numpy(np.ascontiguousarray(windows[start : start + size], np.float32))
            if device.type == "cuda":
                audio = audio.pin_memory().to(device, non_blocking=True)
            rows.append(net(audio).float())
    return torch.cat(rows).cpu().numpy()
