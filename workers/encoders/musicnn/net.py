"""musicnn in PyTorch: its networks for the tags of MagnaTagATune and of the Million Song Dataset, in one pass.

They share the spectrogram and every shape, so their filters are stacked. Windows are computed one by one: that is
the fastest (64 x real time on one core, where plain convolutions reach 41), and no number depends on the batch.
Architecture: J. Pons and X. Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging"
(ISMIR 2019 late-breaking).
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch.nn.functional import conv1d, pad

from workers.encoders.musicnn.log_mel import BANDS, LogMel
from workers.encoders.musicnn.winograd import COLUMNS, FRAMES, BandMax, TemporalMax, band_parts, same_padding

NETS = ("MTT_musicnn", "MSD_musicnn")
POOLED, PENULTIMATE, TAGS = 753, 200, 50

_EPSILON = 1e-3  # TensorFlow's default for batch normalisation
_TIMBRAL = ("conv2d", "conv2d_1")
_TEMPORAL = ("conv2d_2", "conv2d_3", "conv2d_4")
_WIDTH, _LONGEST = 7, 128  # frames of a timbral kernel, and of the longest temporal one
_WIDTH_PAD, _LONGEST_PAD = same_padding(_WIDTH), same_padding(_LONGEST)

Weights = Mapping[str, torch.Tensor]


class MusicnnNet:
    """One window -> for each net mean_pool, max_pool, penultimate and tag probabilities, joined.

    An instance belongs to one thread: its buffers are used again for every window.
    """

    def __init__(self, weights: Weights) -> None:
        self._nets = [_Part(weights, f"{net}/") for net in NETS]
        self._log_mel = LogMel()
        self._timbral = [BandMax(self._stacked(name), BANDS) for name in _TIMBRAL]
        self._temporal = TemporalMax([self._stacked(name)[:, 0] for name in _TEMPORAL])
        fronts = [[net.front(name) for net in self._nets] for name in (*_TIMBRAL, *_TEMPORAL)]
        self._sign, self._bias, self._scale, self._shift = (
            torch.cat([front[value] for pair in fronts for front in pair])
            for value in ("sign", "bias", "scale", "shift")
        )
        sizes = [front["bias"].shape[0] for pair in fronts for front in pair]
        order = torch.arange(sum(sizes)).split(sizes)
        self._rows = [torch.cat(order[net :: len(NETS)]) for net in range(len(NETS))]

    @torch.inference_mode()
    def __call__(self, audio: np.ndarray) -> np.ndarray:
        """float32 [48128] at 16 kHz -> float32 [1, 2 * (753 + 753 + 200 + 50)]."""
        return self._features(self._log_mel(torch.from_numpy(np.ascontiguousarray(audio)))).numpy()

    @torch.inference_mode()
    def from_log_mel(self, log_mel: np.ndarray) -> np.ndarray:
        """The same from a spectrogram [187 frames, 96 bands]."""
        return self._features(torch.from_numpy(log_mel).T).numpy()

    def _features(self, log_mel: torch.Tensor) -> torch.Tensor:
        front = self._front_end(log_mel)
        return torch.cat([net.back(front[rows]) for net, rows in zip(self._nets, self._rows, strict=True)])[None]

    def _stacked(self, name: str) -> torch.Tensor:
        return torch.cat([net.kernel(name) for net in self._nets])

    def _front_end(self, log_mel: torch.Tensor) -> torch.Tensor:
        """[96, 187] -> the largest response of each filter over the bands [2 * 561, 187], normalised."""
        rest = COLUMNS - FRAMES
        parts = band_parts(pad(log_mel, (_WIDTH_PAD, _WIDTH // 2 + rest)))
        wide = pad(log_mel, (_LONGEST_PAD, _LONGEST // 2 + rest))
        best = torch.cat([*(timbral(parts) for timbral in self._timbral), self._temporal(wide)])[:, :FRAMES]
        return torch.relu(self._sign * best + self._bias) * self._scale + self._shift


class _Part:
    """The weights of one net, by TensorFlow's names."""

    def __init__(self, weights: Weights, prefix: str) -> None:
        self._weights, self._prefix = weights, prefix
        self._mid = [self._mid_layer(5, 6), self._mid_layer(6, 7), self._mid_layer(7, 8)]
        scale, shift = self._norm(9)
        kernel = self._get("dense/kernel")
        self._dense = (kernel * scale[:, None]).T.contiguous()
        self._dense_bias = self._get("dense/bias") + shift @ kernel
        self._dense_scale, self._dense_shift = self._norm(10)
        self._logits, self._logits_bias = self._get("dense_1/kernel").T.contiguous(), self._get("dense_1/bias")

    def kernel(self, name: str) -> torch.Tensor:
        """A front-end kernel for the raw spectrogram [filters, bands, frames], negated where the smallest is wanted.

        The input's normalisation is folded in. Normalisation after ReLU is a * relu(x) + b, so its maximum over the
        bands is reached at the largest x, or where a < 0 at the smallest: the largest -x.
        """
        scale, _ = self._norm(0)
        sign = self.front(name)["sign"]
        return self._kernel(name) * scale * sign[:, None]

    def front(self, name: str) -> dict[str, torch.Tensor]:
        """What turns a maximum into a feature: relu(sign * x + bias) * scale + shift, each [filters, 1 or frames]."""
        scale, shift = (value[:, None] for value in self._norm(1 + (*_TIMBRAL, *_TEMPORAL).index(name)))
        sign = torch.where(scale < 0, -1.0, 1.0)
        return {"sign": sign, "bias": self._front_bias(name), "scale": scale, "shift": shift}

    def back(self, front: torch.Tensor) -> torch.Tensor:
        """Front-end features [561, 187] -> [mean_pool 753 | max_pool 753 | penultimate 200 | probabilities 50]."""
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
        """[filters, 187]: the convolution's bias, and what the input's normalisation adds to each frame.

        The net pads the normalised spectrogram with zeros, so near the edges less of its offset is heard.
        """
        _, offset = self._norm(0)
        kernel = self._kernel(name).sum(1, keepdim=True)
        taps = kernel.shape[2]
        heard = conv1d(pad(offset.expand(1, 1, FRAMES), (same_padding(taps), taps // 2)), kernel)[0]
        return heard + self._get(f"{name}/bias")[:, None]

    def _mid_layer(self, conv: int, norm: int) -> Callable[[torch.Tensor], torch.Tensor]:
        kernel = self._get(f"conv2d_{conv}/kernel")[:, :, 0].permute(2, 1, 0).contiguous()
        bias = self._get(f"conv2d_{conv}/bias")
        scale, shift = (value[:, None] for value in self._norm(norm))

        def layer(features: torch.Tensor) -> torch.Tensor:
            return torch.relu(conv1d(features[None], kernel, bias, padding=_WIDTH_PAD)[0]) * scale + shift

        return layer

    def _kernel(self, name: str) -> torch.Tensor:
        """[filters, bands, frames], from TensorFlow's [frames, bands, 1, filters]."""
        return self._get(f"{name}/kernel")[:, :, 0].permute(2, 1, 0)

    def _norm(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch normalisation as scale and shift."""
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        scale = self._get(f"{name}/gamma") / torch.sqrt(self._get(f"{name}/moving_variance") + _EPSILON)
        return scale, self._get(f"{name}/beta") - self._get(f"{name}/moving_mean") * scale

    def _get(self, name: str) -> torch.Tensor:
        return self._weights[self._prefix + name]
