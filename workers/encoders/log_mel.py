"""The spectrogram that musicnn hears: log10(1 + 10^4 mel power), 96 Slaney bands of 16 kHz audio, frames of 512/256.

In float32 throughout: the musicnn package does this in float16, which overflows on loud music and gives NaN tags.
"""

import numpy as np
import torch

SAMPLE_RATE = 16_000
FRAME = 512
HOP = 256
BANDS = 96

_BREAK_HZ = 1000.0  # the Slaney scale is linear below, logarithmic above
_HZ_PER_MEL = 200.0 / 3
_STEPS_PER_OCTAVE_LOG = np.log(6.4) / 27


class LogMel:
    """Audio -> spectrogram, frame i from sample i * HOP on, without padding."""

    def __init__(self) -> None:
        self._window = torch.hann_window(FRAME, periodic=True)
        self._filters = torch.from_numpy(slaney_filters().astype(np.float32))

    def __call__(self, audio: torch.Tensor) -> torch.Tensor:
        """float32 [samples] at SAMPLE_RATE -> [BANDS, frames]."""
        spectrum = torch.fft.rfft(audio.unfold(0, FRAME, HOP) * self._window)
        power = spectrum.real.square() + spectrum.imag.square()
        return torch.log10(1 + 1e4 * (self._filters @ power.T))


def slaney_filters(sample_rate: int = SAMPLE_RATE, frame: int = FRAME, bands: int = BANDS) -> np.ndarray:
    """Triangles from 0 Hz to Nyquist, each of unit area in Hz [bands, frame // 2 + 1], float64.

    Source: M. Slaney, Auditory Toolbox, Interval Research Corporation technical report 1998-010.
    """
    edges = _hz(np.linspace(0, _mel(sample_rate / 2), bands + 2))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.fft.rfftfreq(frame, 1 / sample_rate)
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)


def _mel(hz: float) -> float:
    """For frequencies above the break."""
    return _BREAK_HZ / _HZ_PER_MEL + np.log(hz / _BREAK_HZ) / _STEPS_PER_OCTAVE_LOG


def _hz(mel: np.ndarray) -> np.ndarray:
    above = mel - _BREAK_HZ / _HZ_PER_MEL
    return np.where(above < 0, mel * _HZ_PER_MEL, _BREAK_HZ * np.exp(np.maximum(above, 0) * _STEPS_PER_OCTAVE_LOG))
