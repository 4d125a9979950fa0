"""Mel filter banks of triangles, on the two scales in use: Slaney's and HTK's."""

import numpy as np

_BREAK_HZ = 1000.0  # the Slaney scale is linear below, logarithmic above
_HZ_PER_MEL = 200.0 / 3
_STEPS_PER_OCTAVE_LOG = np.log(6.4) / 27


def slaney_filters(sample_rate: int, frame: int, bands: int) -> np.ndarray:
    """Return Slaney's filters [bands, frame // 2 + 1], float64.

    The triangles cover 0 Hz to Nyquist; each has unit area in Hz. Source: M. Slaney, Auditory Toolbox, Interval
    Research Corporation technical report 1998-010.
    """
    edges = _slaney_to_hz(np.linspace(0, _hz_to_slaney(sample_rate / 2), bands + 2))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.fft.rfftfreq(frame, 1 / sample_rate)
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)


def htk_filters(sample_rate: int, frame: int, bands: int) -> np.ndarray:
    """Return HTK's filters [frame // 2 + 1, bands], float64.

    The triangles have height 1 and stand at equal steps of 2595 log10(1 + f / 700).
    """
    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    bins = np.linspace(0, sample_rate / 2, frame // 2 + 1)[:, None]
    return np.maximum(0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))


def _hz_to_slaney(hz: float) -> float:
    """Convert a frequency above the break to the Slaney scale."""
    return _BREAK_HZ / _HZ_PER_MEL + np.log(hz / _BREAK_HZ) / _STEPS_PER_OCTAVE_LOG


def _slaney_to_hz(mel: np.ndarray) -> np.ndarray:
    above = mel - _BREAK_HZ / _HZ_PER_MEL
    return np.where(above < 0, mel * _HZ_PER_MEL, _BREAK_HZ * np.exp(np.maximum(above, 0) * _STEPS_PER_OCTAVE_LOG))
