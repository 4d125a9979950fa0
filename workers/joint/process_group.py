"""The workers of a training, one or many: each computes its share of a batch, all see the whole of it."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.distributed.nn.functional import all_gather
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True, slots=True)
class World:
    """By default this process alone, on the CPU.

    Losses are computed from the whole batch by every worker, as one worker would: `gathered` sends each vector's
    gradient back to the worker that computed it, and averaging what the workers' parameters got gives one worker's.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def wrapped(self, net: nn.Module) -> nn.Module:
        """The net, its gradients averaged over the workers."""
        if self.size == 1:
            return net
        return DistributedDataParallel(net, device_ids=[self.device] if self.device.type == "cuda" else None)

    def whole(self, rows: np.ndarray) -> np.ndarray:
        """A batch that divides evenly: at most size - 1 clips of the last one are left out of an epoch."""
        return rows[: len(rows) - len(rows) % self.size]

    def share(self, rows: np.ndarray) -> np.ndarray:
        """This worker's part of a whole batch."""
        return np.split(rows, self.size)[self.rank]

    def gathered(self, vectors: torch.Tensor) -> torch.Tensor:
        """Every worker's vectors [b, dim], in the order of the batch [B, dim]."""
        return vectors if self.size == 1 else torch.cat(all_gather(vectors))
