"""The base class of most encoders: one torch net whose features, normalised, are the vector."""

from typing import TYPE_CHECKING

import numpy as np

from schemas.encoders import EncoderSpec
from workers.encoders.base.interface import Windows

if TYPE_CHECKING:
    from torch import nn


class TorchEncoder:
    """An Encoder of one torch net, on a GPU if there is one.

    `net` maps audio [b, window] to features [b, dim].
    """

    def __init__(self, spec: EncoderSpec, net: "nn.Module") -> None:
        from workers.devices import best_device
        from workers.encoders.base.inference import WindowBatches

        self.spec = spec
        self._net = net.eval().to(best_device())
        self.batches = WindowBatches(self._net, spec.backbone)

    def embed_windows(self, windows: Windows) -> np.ndarray:
        return self.batches(windows)

    def project(self, features: np.ndarray) -> np.ndarray:
        return normalise_rows(features)


def normalise_rows(rows: np.ndarray) -> np.ndarray:
    """Scale each row [N, dim] to length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
