"""musicnn's spectrogram: log10(1 + 10^4 mel power) of 16 kHz audio in 96 Slaney bands.

It computes in float32. The musicnn package computes in float16, which overflows on loud music and gives NaN tags.
"""

import numpy as np
import torch

from workers.encoders.base.mel_filters import slaney_filters

SAMPLE_RATE = 16_000
FRAME = 512
HOP = 256
BANDS = 96


class LogMel:
    """Audio -> spectrogram without padding: frame i starts at sample i * HOP."""

    def __init__(self) -> None:
        self._window = torch.hann_window(FRAME, periodic=True)
        self._filters = torch.from_numpy(slaney_filters(SAMPLE_RATE, FRAME, BANDS).astype(np.float32))

    def __call__(self, audio: torch.Tensor) -> torch.Tensor:
        """Compute the spectrogram: float32 [samples] at SAMPLE_RATE -> [BANDS, frames]."""
        spectrum = torch.fft.rfft(audio.unfold(0, FRAME, HOP) * self._window)
        power = spectrum.real.square() + spectrum.imag.square()
        return torch.log10(1 + 1e4 * (self._filters @ power.T))
