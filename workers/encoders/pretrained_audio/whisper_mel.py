"""The log-mel spectrogram of Whisper and, with other sizes, of TTMR++.
Source: A. Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022).
"""

import numpy as np
import torch
from torch import nn

from workers.encoders.base.inference import in_float32
from workers.encoders.base.mel_filters import slaney_filters

_FLOOR = 1e-10
_DECADES = 8.0  # from the loudest cell down to the floor


class WhisperMel(nn.Module):
    """Audio [B, samples] -> [B, bands, samples // hop], about -1 to 1.

    Each frame has `frame` samples around a multiple of `hop`. The floor is 8 decades below the loudest cell of the
    window, not of the batch, so that a window's numbers depend on that window alone.
    """

    window: torch.Tensor
    filters: torch.Tensor

    def __init__(self, sample_rate: int, frame: int, hop: int, bands: int) -> None:
        super().__init__()
        filters = slaney_filters(sample_rate, frame, bands).astype(np.float32)
        self.frame, self.hop = frame, hop
        self.register_buffer("window", torch.hann_window(frame), persistent=False)
        self.register_buffer("filters", torch.from_numpy(filters), persistent=False)

    @in_float32
    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(audio, self.frame, self.hop, window=self.window, return_complex=True)[..., :-1]
        power = spectrum.real.square() + spectrum.imag.square()
        mel = torch.log10((self.filters @ power).clamp(min=_FLOOR))
        return (torch.maximum(mel, mel.amax((1, 2), keepdim=True) - _DECADES) + 4) / 4
