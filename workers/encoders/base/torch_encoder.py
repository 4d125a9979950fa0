"""What most encoders are: one torch net, whose features, normalised, are the vector."""

from typing import TYPE_CHECKING

import numpy as np

from schemas.encoders import EncoderSpec

if TYPE_CHECKING:
    from torch import nn


class NetEncoder:
    """An Encoder. `net` maps audio [b, window] to features [b, dim]; on a GPU where there is one."""

    def __init__(self, spec: EncoderSpec, net: "nn.Module") -> None:
        from workers.encoders.base.inference import best_device

        self.spec = spec
        self._net = net.eval().to(best_device())

    def embed_windows(self, windows: np.ndarray) -> np.ndarray:
        from workers.encoders.base.inference import embed

        return embed(self._net, windows, self.spec.backbone)

    def project(self, features: np.ndarray) -> np.ndarray:
        return unit(features)


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1 [N, dim]."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
