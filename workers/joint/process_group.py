"""The workers of a training, one or many.

Each worker embeds its rows of a batch; all compute the loss of the whole batch.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.distributed.nn.functional import all_gather
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """One worker's view of the group; by default this process alone, on the CPU.

    Every worker computes the loss of the whole batch, as a single worker would. `all_gather` sends the gradient of
    each vector back to the worker that computed it. The average of the workers' parameter gradients is therefore the
    gradient of a single worker.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def wrap_ddp(self, net: nn.Module) -> nn.Module:
        """Return the net with its gradients averaged over the workers."""
        if self.size == 1:
            return net
        return DistributedDataParallel(net, device_ids=[self.device] if self.device.type == "cuda" else None)

    def drop_last(self, rows: np.ndarray) -> np.ndarray:
        """Return the batch [B] without the last rows that do not divide evenly.

        An epoch loses at most size - 1 clips, those of its last batch.
        """
        return rows[: len(rows) - len(rows) % self.size]

    def local_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return this worker's part [B / size] of a batch [B]."""
        return np.split(rows, self.size)[self.rank]

    def all_gather(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return all workers' vectors [B, dim], in batch order, from this worker's [b, dim]."""
        return vectors if self.size == 1 else torch.cat(all_gather(vectors))
