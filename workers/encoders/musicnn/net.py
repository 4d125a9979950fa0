"""musicnn's two networks in PyTorch, computed in one pass.

One network has the tags of MagnaTagATune, the other those of the Million Song Dataset. They share the spectrogram and
every shape, so their filters are stacked. Windows are computed one by one. That is the fastest way (64 x real time on
one core, where plain convolutions reach 41), and no number depends on the batch.
Architecture: J. Pons and X. Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging"
(ISMIR 2019 late-breaking).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import conv1d, pad

from workers.encoders.musicnn.log_mel import BANDS, LogMel
from workers.encoders.musicnn.winograd import (
    COLUMNS,
    FRAMES,
    MaxOverBands,
    TemporalMaxOverBands,
    same_padding,
    split_bands,
)

NETS = ("MTT_musicnn", "MSD_musicnn")
POOLED, PENULTIMATE, TAGS = 753, 200, 50

_EPSILON = 1e-3  # TensorFlow's default for batch normalisation
_TIMBRAL = ("conv2d", "conv2d_1")
_TEMPORAL = ("conv2d_2", "conv2d_3", "conv2d_4")
_WIDTH, _LONGEST = 7, 128  # frames of a timbral kernel, and of the longest temporal one
_WIDTH_PAD, _LONGEST_PAD = same_padding(_WIDTH), same_padding(_LONGEST)

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class _Activation:
    """The step from a maximum to a feature.

    A maximum x becomes relu(sign * x + bias) * scale + shift. All tensors are [filters, 1], except `bias`, which is
    [filters, frames].
    """

    sign: torch.Tensor
    bias: torch.Tensor
    scale: torch.Tensor
    shift: torch.Tensor

    def __call__(self, maximum: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.sign * maximum + self.bias) * self.scale + self.shift


class MusicnnNet:
    """One window -> mean_pool, max_pool, penultimate and tag probabilities of each net, joined.

    An instance belongs to one thread, because all windows use the same buffers.
    """

    def __init__(self, weights: Weights) -> None:
        self._nets = [_SingleNet(weights, f"{net}/") for net in NETS]
        self._log_mel = LogMel()
        self._timbral = [MaxOverBands(self._stack_kernels(name), BANDS) for name in _TIMBRAL]
        self._temporal = TemporalMaxOverBands([self._stack_kernels(name)[:, 0] for name in _TEMPORAL])
        activations = [net.activation(name) for name in (*_TIMBRAL, *_TEMPORAL) for net in self._nets]
        self._activation = _Activation(
            sign=torch.cat([activation.sign for activation in activations]),
            bias=torch.cat([activation.bias for activation in activations]),
            scale=torch.cat([activation.scale for activation in activations]),
            shift=torch.cat([activation.shift for activation in activations]),
        )
        sizes = [len(activation.bias) for activation in activations]
        rows = torch.arange(sum(sizes)).split(sizes)
        self._rows_of_net = [torch.cat(rows[net :: len(NETS)]) for net in range(len(NETS))]

    @torch.inference_mode()
    def __call__(self, audio: np.ndarray) -> np.ndarray:
        """Embed a window at 16 kHz.

        float32 [48128] -> float32 [1, 2 * (753 + 753 + 200 + 50)].
        """
        return self._features(self._log_mel(torch.from_numpy(np.ascontiguousarray(audio)))).numpy()

    @torch.inference_mode()
    def from_log_mel(self, log_mel: np.ndarray) -> np.ndarray:
        """Embed a spectrogram [187 frames, 96 bands] as `__call__` embeds audio."""
        return self._features(torch.from_numpy(log_mel).T).numpy()

    def _features(self, log_mel: torch.Tensor) -> torch.Tensor:
        front = self._front_end(log_mel)
        nets = zip(self._nets, self._rows_of_net, strict=True)
        return torch.cat([net.back_end(front[rows]) for net, rows in nets])[None]

    def _stack_kernels(self, name: str) -> torch.Tensor:
        return torch.cat([net.kernel(name) for net in self._nets])

    def _front_end(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Compute the maximum of each filter over the bands, normalised.

        [96, 187] -> [2 * 561, 187].
        """
        rest = COLUMNS - FRAMES
        parts = split_bands(pad(log_mel, (_WIDTH_PAD, _WIDTH // 2 + rest)))
        wide = pad(log_mel, (_LONGEST_PAD, _LONGEST // 2 + rest))
        maxima = torch.cat([*(timbral(parts) for timbral in self._timbral), self._temporal(wide)])
        return self._activation(maxima[:, :FRAMES])


class _SingleNet:
    """The layers of one of the two nets, from weights under TensorFlow's names."""

    def __init__(self, weights: Weights, prefix: str) -> None:
        self._weights, self._prefix = weights, prefix
        self._mid = [self._mid_layer(5, 6), self._mid_layer(6, 7), self._mid_layer(7, 8)]
        scale, shift = self._batch_norm(9)
        kernel = self._get("dense/kernel")
        self._dense = (kernel * scale[:, None]).T.contiguous()
        self._dense_bias = self._get("dense/bias") + shift @ kernel
        self._dense_scale, self._dense_shift = self._batch_norm(10)
        self._logits, self._logits_bias = self._get("dense_1/kernel").T.contiguous(), self._get("dense_1/bias")

    def kernel(self, name: str) -> torch.Tensor:
        """Return a front-end kernel for the raw spectrogram [filters, bands, frames].

        The input's normalisation is folded in. The normalisation after ReLU is a * relu(x) + b, so its maximum over
        the bands is at the largest x, or, if a < 0, at the smallest x. The kernels with a < 0 are negated, because the
        smallest x is the largest -x.
        """
        scale, _ = self._batch_norm(0)
        return self._kernel(name) * scale * self.activation(name).sign[:, None]

    def activation(self, name: str) -> _Activation:
        """Return what follows a front-end kernel and the maximum over the bands."""
        layer = 1 + (*_TIMBRAL, *_TEMPORAL).index(name)
        scale, shift = (value[:, None] for value in self._batch_norm(layer))
        sign = torch.where(scale < 0, -1.0, 1.0)
        return _Activation(sign, self._front_bias(name), scale, shift)

    def back_end(self, front: torch.Tensor) -> torch.Tensor:
        """Apply the layers behind the front end.

        [561, 187] -> [mean_pool 753 | max_pool 753 | penultimate 200 | probabilities 50].
        """
        first = self._mid[0](front)
        second = self._mid[1](first) + first
        third = self._mid[2](second) + second
        layers = torch.cat([front, first, second, third])
        mean, largest = layers.mean(1), layers.amax(1)
        pooled = torch.stack([largest, mean], dim=1).flatten()  # interleaved, as the dense layer was trained
        hidden = torch.relu(torch.mv(self._dense, pooled) + self._dense_bias)
        penultimate = hidden * self._dense_scale + self._dense_shift
        logits = torch.mv(self._logits, penultimate) + self._logits_bias
        return torch.cat([mean, largest, penultimate, torch.sigmoid(logits)])

    def _front_bias(self, name: str) -> torch.Tensor:
        """Return the convolution's bias plus what the input's normalisation adds to each frame [filters, 187].

        The net pads the normalised spectrogram with zeros, so near the edges the kernel covers less of the offset.
        """
        _, offset = self._batch_norm(0)
        kernel = self._kernel(name).sum(1, keepdim=True)
        taps = kernel.shape[2]
        offset_response = conv1d(pad(offset.expand(1, 1, FRAMES), (same_padding(taps), taps // 2)), kernel)[0]
        return offset_response + self._get(f"{name}/bias")[:, None]

    def _mid_layer(self, conv: int, norm: int) -> Callable[[torch.Tensor], torch.Tensor]:
        kernel = self._get(f"conv2d_{conv}/kernel")[:, :, 0].permute(2, 1, 0).contiguous()
        bias = self._get(f"conv2d_{conv}/bias")
        scale, shift = (value[:, None] for value in self._batch_norm(norm))

        def layer(features: torch.Tensor) -> torch.Tensor:
            return torch.relu(conv1d(features[None], kernel, bias, padding=_WIDTH_PAD)[0]) * scale + shift

        return layer

    def _kernel(self, name: str) -> torch.Tensor:
        """Return a kernel [filters, bands, frames]; TensorFlow has [frames, bands, 1, filters]."""
        return self._get(f"{name}/kernel")[:, :, 0].permute(2, 1, 0)

    def _batch_norm(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a batch normalisation as scale and shift."""
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        scale = self._get(f"{name}/gamma") / torch.sqrt(self._get(f"{name}/moving_variance") + _EPSILON)
        return scale, self._get(f"{name}/beta") - self._get(f"{name}/moving_mean") * scale

    def _get(self, name: str) -> torch.Tensor:
        return self._weights[self._prefix + name]
