"""The true peak: the greatest absolute value of the waveform, also between samples.

Source: ITU-R BS.1770-4, annex 2: oversampling by four.
"""

import math

import numpy as np
from scipy.signal import firwin

_FACTOR = 4
_TAPS = 12  # of each phase
_STRETCH = 16  # samples that are examined or skipped together
_STRETCHES_AT_ONCE = 512
_SILENT = 1e-10  # -200 dB


def _interpolation_filter() -> np.ndarray:
    """Return the filter of the three phases between two samples, float32 [_TAPS, 3]."""
    prototype = firwin(_FACTOR * _TAPS + 1, 1 / _FACTOR, window=("kaiser", 4.0)) * _FACTOR
    phases = [prototype[phase::_FACTOR][:_TAPS] for phase in range(1, _FACTOR)]
    return np.stack([phase / phase.sum() for phase in phases], axis=1).astype(np.float32)


def _stretch_matrix(phases: np.ndarray) -> np.ndarray:
    """Return the filter as a matrix, float32 [_STRETCH + _TAPS - 1, 3 * _STRETCH].

    Its product with a stretch and the samples that follow is the values between the stretch's samples.
    """
    matrix = np.zeros((_STRETCH + _TAPS - 1, _STRETCH, phases.shape[1]), np.float32)
    for position in range(_STRETCH):
        matrix[position : position + _TAPS, position] = phases
    return matrix.reshape(len(matrix), -1)


_FILTER = _interpolation_filter()
_MATRIX = _stretch_matrix(_FILTER)
_NORM = float(np.abs(_FILTER).sum(axis=0).max())  # no value between samples exceeds a neighbouring sample by more


class TruePeakMeter:
    """Finds the true peak of a file from its blocks.

    A stretch whose largest sample, times the filter's norm, is not above the greatest peak so far cannot hold a
    greater one: it is skipped, which changes no result.
    """

    def __init__(self) -> None:
        self._peak = 0.0
        self._tail = np.zeros((0, 0), np.float32)

    def add(self, block: np.ndarray) -> None:
        """Examine a block, finite float32 [channels, n]."""
        if len(self._tail) != len(block):
            self._tail = np.zeros((len(block), _TAPS - 1), np.float32)
        samples = np.concatenate([self._tail, block], axis=1)
        self._tail = samples[:, -(_TAPS - 1) :]
        self._peak = max(self._peak, float(np.abs(block).max(initial=0.0)))
        for channel in samples:
            self._examine(channel)

    def restart(self) -> None:
        """Begin a signal of another rate: nothing lies between it and what came before."""
        self._tail = np.zeros((0, 0), np.float32)

    def decibels(self) -> float | None:
        """Return the true peak in dB full scale, or None for silence."""
        return 20 * math.log10(self._peak) if self._peak > _SILENT else None

    def _examine(self, channel: np.ndarray) -> None:
        """Raise the peak to the greatest value between samples [_TAPS - 1 + n]."""
        count = len(channel) - _TAPS + 1
        padded = np.pad(channel, (0, -count % _STRETCH))
        windows = np.lib.stride_tricks.sliding_window_view(padded, _STRETCH + _TAPS - 1)[::_STRETCH]
        maxima = np.abs(padded[: len(windows) * _STRETCH]).reshape(-1, _STRETCH).max(axis=1)
        following = np.append(maxima[1:], np.abs(padded[len(windows) * _STRETCH :]).max(initial=0.0))
        maxima = np.maximum(maxima, following)  # the filter reaches into the next stretch
        order = np.argsort(-maxima, kind="stable")
        for first in range(0, len(order), _STRETCHES_AT_ONCE):
            loud = order[first : first + _STRETCHES_AT_ONCE]
            loud = loud[maxima[loud] * _NORM > self._peak]
            if not len(loud):
                return
            values = np.abs(windows[loud] @ _MATRIX)
            if (loud.max() + 1) * _STRETCH > count:  # the last stretch reaches into the padding
                positions = loud[:, None] * _STRETCH + np.arange(_STRETCH)
                values = values.reshape(-1, _STRETCH, _FILTER.shape[1])[positions < count]
            self._peak = max(self._peak, float(values.max()))
