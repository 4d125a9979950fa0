"""The networks of the tagging CNNs below their last layer.

net = build_net("fcn", read_weights(path)); net(audio)
Modules have the names of the authors' state dicts and the sizes of the weights; batch norm is that of inference.
Source: minzwon/sota-music-tagging-models, training/model.py at 3abe8be7 and training/modules.py at 1676bf3e, and the
papers cited in the specs.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from workers.encoders.base.inference import in_float32

_HOP = 256
_FLOOR = 1e-10  # of power, before decibels

_HARMONICS = 6
_PITCHES = torch.arange(24, 88, 0.5, dtype=torch.float64)  # MIDI: C1 to below E6, whose 6th harmonic is near 8 kHz
_NYQUIST = 8_000
# Equivalent rectangular bandwidth of human hearing, in Hz: 0.1079 f + 24.7.
_BANDWIDTH_SLOPE, _BANDWIDTH_AT_0 = 0.1079, 24.7

Weights = dict[str, torch.Tensor]


def read_weights(path: Path) -> Weights:
    """Read a checkpoint's weights by name."""
    return torch.load(path, map_location="cpu", weights_only=True)


def build_net(name: str, weights: Weights) -> nn.Module:
    """Build a network (audio [B, window] -> features [B, dim]) with its weights.

    `name` is the encoder's. Raises RuntimeError if the weights are of another network.
    """
    net = _NETS[name](weights)
    net.load_state_dict(weights)
    return net.eval().requires_grad_(False)


def _power_spectrum(audio: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """Compute the power spectrum of audio, which is mirrored at its ends.

    [B, samples] -> [B, bins, 1 + samples // _HOP].
    """
    spectrum = torch.stft(audio, len(window), _HOP, window=window, pad_mode="reflect", return_complex=True)
    return spectrum.real.square() + spectrum.imag.square()


def _to_decibels(power: torch.Tensor) -> torch.Tensor:
    return 10 * torch.log10(power.clamp(min=_FLOOR))


class _Buffers(nn.Module):
    """Buffers for tensors of the checkpoint, under their names there."""

    def __init__(self, **buffers: torch.Tensor) -> None:
        super().__init__()
        for name, tensor in buffers.items():
            self.register_buffer(name, torch.empty_like(tensor))


class LogMel(nn.Module):
    """Audio [B, samples] -> decibels [B, bands, frames].

    The window and the filters come from the checkpoint.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.spectrogram = _Buffers(window=weights["spec.spectrogram.window"])
        self.mel_scale = _Buffers(fb=weights["spec.mel_scale.fb"])

    @in_float32
    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return _to_decibels(self.mel_scale.fb.T @ _power_spectrum(audio, self.spectrogram.window))


class HarmonicSpectrum(nn.Module):
    """Audio [B, samples] -> decibels [B, harmonics, pitches, frames].

    The filters are triangles around each multiple of each pitch.
    """

    frequencies: torch.Tensor

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.spec = _Buffers(window=weights["hstft.spec.window"])
        self.bw_Q = nn.Parameter(torch.empty_like(weights["hstft.bw_Q"]))
        pitches = 440 * 2 ** ((_PITCHES - 69) / 12)
        multiples = torch.arange(1, _HARMONICS + 1)[:, None] * pitches
        self.register_buffer("frequencies", multiples.flatten().float(), persistent=False)

    @in_float32
    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        power = _power_spectrum(audio, self.spec.window)
        bins = torch.linspace(0, _NYQUIST, power.shape[1], device=power.device)
        return _to_decibels(self._filters(bins) @ power).unflatten(1, (_HARMONICS, len(_PITCHES)))

    def _filters(self, bins: torch.Tensor) -> torch.Tensor:
        """Return the filters [harmonics * pitches, bins].

        A filter is 1 at its frequency and 0 from half a bandwidth on.
        """
        half_bandwidth = (_BANDWIDTH_SLOPE * self.frequencies + _BANDWIDTH_AT_0) / self.bw_Q / 2
        return (1 - (bins - self.frequencies[:, None]).abs() / half_bandwidth[:, None]).clamp(min=0)


class ConvBlock(nn.Module):
    """Convolution, batch norm, ReLU and max pooling.

    The shape of the weights decides whether it has one dimension or two.
    """

    def __init__(self, weights: Weights, name: str, pooling: int | tuple[int, int], stride: int = 1) -> None:
        super().__init__()
        is_1d = weights[f"{name}.conv.weight"].ndim == 3
        self.conv = _build_convolution(weights, f"{name}.conv", stride)
        self.bn = (nn.BatchNorm1d if is_1d else nn.BatchNorm2d)(self.conv.out_channels)
        self.mp = (nn.MaxPool1d if is_1d else nn.MaxPool2d)(pooling)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mp(functional.relu(self.bn(self.conv(x))))


class ResidualBlock(nn.Module):
    """Two convolutions plus a shortcut, then max pooling.

    The shortcut has a convolution if `stride` is over 1.
    """

    def __init__(self, weights: Weights, name: str, pooling: int | tuple[int, int], stride: int = 1) -> None:
        super().__init__()
        self.conv_1 = _build_convolution(weights, f"{name}.conv_1", stride)
        self.conv_2 = _build_convolution(weights, f"{name}.conv_2")
        self.bn_1, self.bn_2 = (nn.BatchNorm2d(self.conv_1.out_channels) for _ in range(2))
        if stride > 1:
            self.conv_3 = _build_convolution(weights, f"{name}.conv_3", stride)
            self.bn_3 = nn.BatchNorm2d(self.conv_3.out_channels)
        self._strided, self.mp = stride > 1, nn.MaxPool2d(pooling)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = self.bn_3(self.conv_3(x)) if self._strided else x
        x = self.bn_2(self.conv_2(functional.relu(self.bn_1(self.conv_1(x)))))
        return self.mp(functional.relu(shortcut + x))


class Fcn(nn.Module):
    """Spectrogram -> five blocks, which leave one frame of one band."""

    POOLING = ((2, 4), (2, 4), (2, 4), (3, 5), (4, 4))

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.spec, self.spec_bn = LogMel(weights), nn.BatchNorm2d(1)
        for number, pooling in enumerate(self.POOLING, start=1):
            self.add_module(f"layer{number}", ConvBlock(weights, f"layer{number}", pooling))
        self.dense = _build_linear(weights, "dense")

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        x = self.spec_bn(self.spec(audio)[:, None])
        return _apply_layers(self, x, len(self.POOLING)).flatten(1)


class Crnn(nn.Module):
    """Spectrogram -> four blocks, which leave one band -> two GRU layers.

    The features are the last step.
    """

    POOLING = ((2, 2), (3, 3), (4, 4), (4, 4))

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.spec, self.spec_bn = LogMel(weights), nn.BatchNorm2d(1)
        for number, pooling in enumerate(self.POOLING, start=1):
            self.add_module(f"layer{number}", ConvBlock(weights, f"layer{number}", pooling))
        hidden, dim = (weights[f"layer5.weight_{gate}_l0"].shape[1] for gate in ("hh", "ih"))
        self.layer5 = nn.GRU(dim, hidden, num_layers=2, batch_first=True)
        self.dense = _build_linear(weights, "dense")

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        x = self.spec_bn(self.spec(audio)[:, None])
        steps, _ = self.layer5(_apply_layers(self, x, len(self.POOLING)).squeeze(2).transpose(1, 2))
        return steps[:, -1]


class SampleCnn(nn.Module):
    """Samples -> eleven blocks.

    The first has a stride of 3, the next nine pool by 3.
    """

    POOLING = (1, *[3] * 9, 1)

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        for number, pooling in enumerate(self.POOLING, start=1):
            block = ConvBlock(weights, f"layer{number}", pooling, stride=3 if number == 1 else 1)
            self.add_module(f"layer{number}", block)
        self.dense = _build_linear(weights, "dense")

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return _apply_layers(self, audio[:, None], len(self.POOLING)).squeeze(2)


class ShortChunk(nn.Module):
    """Spectrogram -> seven residual blocks of stride 2 -> maximum over time -> dense layer."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.spec, self.spec_bn = LogMel(weights), nn.BatchNorm2d(1)
        for number in range(1, 8):
            self.add_module(f"layer{number}", ResidualBlock(weights, f"layer{number}", pooling=1, stride=2))
        self.dense1, self.dense2 = _build_linear(weights, "dense1"), _build_linear(weights, "dense2")
        self.bn = nn.BatchNorm1d(self.dense1.out_features)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        x = _apply_layers(self, self.spec_bn(self.spec(audio)[:, None]), 7)
        return functional.relu(self.bn(self.dense1(x.squeeze(2).amax(2))))


class HarmonicCnn(nn.Module):
    """Harmonics -> seven blocks -> maximum over time -> dense layer.

    All blocks are residual except the first and the fifth.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.hstft, self.hstft_bn = HarmonicSpectrum(weights), nn.BatchNorm2d(_HARMONICS)
        for number in range(1, 8):
            block = ConvBlock if number in (1, 5) else ResidualBlock
            pooling = (2, 3) if number > 5 else 2
            self.add_module(f"layer{number}", block(weights, f"layer{number}", pooling))
        self.dense1, self.dense2 = _build_linear(weights, "dense1"), _build_linear(weights, "dense2")
        self.bn = nn.BatchNorm1d(self.dense1.out_features)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        x = _apply_layers(self, self.hstft_bn(self.hstft(audio)), 7)
        return functional.relu(self.bn(self.dense1(x.squeeze(2).amax(2))))


_NETS: dict[str, Callable[[Weights], nn.Module]] = {
    "fcn": Fcn,
    "crnn": Crnn,
    "sample-cnn": SampleCnn,
    "short-chunk": ShortChunk,
    "harmonic-cnn": HarmonicCnn,
}


def _apply_layers(net: nn.Module, x: torch.Tensor, layers: int) -> torch.Tensor:
    for number in range(1, layers + 1):
        x = net.get_submodule(f"layer{number}")(x)
    return x


def _build_convolution(weights: Weights, name: str, stride: int = 1) -> nn.Conv1d | nn.Conv2d:
    """Build a convolution that shrinks its input only by `stride`."""
    channels_out, channels_in, *kernel = weights[f"{name}.weight"].shape
    kind = nn.Conv1d if len(kernel) == 1 else nn.Conv2d
    padding = tuple(size // 2 for size in kernel)
    return kind(channels_in, channels_out, tuple(kernel), stride=stride, padding=padding)


def _build_linear(weights: Weights, name: str) -> nn.Linear:
    dim_out, dim_in = weights[f"{name}.weight"].shape
    return nn.Linear(dim_in, dim_out)
