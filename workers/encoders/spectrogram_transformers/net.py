"""AST around the library's net: Kaldi's filter bank, then the mean of two tokens."""

import numpy as np
import torch
from torch import nn
from transformers import ASTFeatureExtractor, ASTModel
from transformers.audio_utils import mel_filter_bank

from workers.encoders.base.inference import in_float32

_SPECTRUM = 512
_LOWEST_HZ = 20
_PREEMPHASIS = 0.97
_FLOOR = float(np.finfo(np.float32).eps)


class FilterBank(nn.Module):
    """Windows [b, samples] -> scaled frames [b, frames, bands], on the device.

    The result is that of ASTFeatureExtractor for a full window. As in Kaldi, each frame is centred and pre-emphasised
    before a symmetric Hann window. It computes in float64, as the library does without torchaudio; with torchaudio,
    the library computes the same in float32.
    """

    def __init__(self, extractor: ASTFeatureExtractor, frame: int, hop: int) -> None:
        super().__init__()
        self._frame, self._hop = frame, hop
        rate = extractor.sampling_rate
        bands = mel_filter_bank(
            _SPECTRUM // 2 + 1, extractor.num_mel_bins, _LOWEST_HZ, rate // 2, rate, None, "kaldi", True
        )
        self._mean, self._spread = extractor.mean, 2 * extractor.std
        self.register_buffer("window", torch.hann_window(frame, periodic=False, dtype=torch.float64))
        self.register_buffer("bands", torch.from_numpy(bands))

    @in_float32
    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        frames = audio.double().unfold(1, self._frame, self._hop)
        frames = frames - frames.mean(2, keepdim=True)
        previous = torch.cat([frames[..., :1], frames[..., :-1]], 2)
        spectrum = torch.fft.rfft((frames - _PREEMPHASIS * previous) * self.window, _SPECTRUM)
        power = torch.view_as_real(spectrum).square().sum(3)
        levels = (power @ self.bands).clamp(min=_FLOOR).log()
        return ((levels - self._mean) / self._spread).float()


class AstNet(nn.Module):
    """Windows [b, samples] -> features [b, dim]."""

    def __init__(self, net: ASTModel, bank: FilterBank) -> None:
        super().__init__()
        self._bank, self._net = bank, net

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self._net(self._bank(audio)).pooler_output
