"""A torch net over windows: on a GPU where there is one, in batches there, one window at a time on a CPU."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from schemas.encoders import BackboneSpec

torch.backends.cudnn.allow_tf32 = False  # or convolutions on GPUs would round float32 to 10 bits

Forward = TypeVar("Forward", bound=Callable[..., torch.Tensor])


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def batch_size(device: torch.device) -> int:
    """Windows at once: on a CPU more are no faster, and one of TTMR's holds 0.3 GB while it is heard."""
    return 1 if device.type == "cpu" else 16


def in_float32(forward: Forward) -> Forward:
    """A module's forward kept out of mixed precision: decibels of a sum in bfloat16 are off by .03."""
    for device in ("cpu", "cuda"):
        forward = torch.autocast(device, enabled=False)(forward)
    return forward


@torch.inference_mode()
def embed(net: nn.Module, windows: np.ndarray, backbone: BackboneSpec) -> np.ndarray:
    """What `net` (audio [b, samples] -> [b, dim]) makes of windows [B, samples], float32 [B, dim].

    In full float32 unless the spec says otherwise. A GPU is given all batches, out of pinned memory, before its first
    answer is waited for. Threads may call at once.
    """
    device = next(net.parameters()).device
    size = batch_size(device)
    rows = [torch.zeros((0, backbone.dim), device=device)]
    half = torch.autocast(device.type, torch.bfloat16, enabled=backbone.dtype == "bfloat16")
    with half:
        for start in range(0, len(windows), size):
            audio = torch.from_numpy(np.ascontiguousarray(windows[start : start + size], np.float32))
            if device.type == "cuda":
                audio = audio.pin_memory().to(device, non_blocking=True)
            rows.append(net(audio).float())
    return torch.cat(rows).cpu().numpy()
