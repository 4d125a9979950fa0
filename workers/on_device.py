"""A torch net over windows: on a GPU where there is one, in batches there, one window at a time on a CPU."""

import numpy as np
import torch
from torch import nn

_BATCH_ON_GPU = 16  # on a CPU a batch is no faster, and one of TTMR's windows holds 0.3 GB while it is heard


def best_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@torch.inference_mode()
def embed(net: nn.Module, windows: np.ndarray, dim: int) -> np.ndarray:
    """What `net` (audio [b, samples] -> [b, dim]) makes of windows [B, samples], float32 [B, dim].

    In full float32: on GPUs convolutions would round to 10 bits by default.
    """
    device = next(net.parameters()).device
    size = 1 if device.type == "cpu" else _BATCH_ON_GPU
    rows = [np.zeros((0, dim), np.float32)]
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        for start in range(0, len(windows), size):
            audio = torch.from_numpy(np.ascontiguousarray(windows[start : start + size], np.float32))
            rows.append(net(audio.to(device)).float().cpu().numpy())
    return np.concatenate(rows)
