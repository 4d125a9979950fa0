"""Integrated loudness and loudness range, on the native channels.

Sources: ITU-R BS.1770-4 (K-weighting, channel weights, gating), EBU R 128, EBU Tech 3342 (loudness range).
"""

import math

import numpy as np
from scipy.signal import sosfilt

STEPS_PER_SECOND = 10  # the level is kept for every tenth of a second
_GATING_STEPS = 4  # 400 ms, a new one every 100 ms: 75 % overlap
_SHORT_TERM_STEPS = 30  # 3 s
_OFFSET = -0.691  # dB: BS.1770's constant, which the K-weighting cancels at 997 Hz
_ABSOLUTE_GATE = -70.0  # LUFS
_RELATIVE_GATE = 10.0  # LU below the mean of what passes the absolute gate
_RANGE_GATE = 20.0  # LU, the same for the loudness range
_RANGE_PERCENTILES = (10, 95)
_SURROUND = 1.41  # the weight of a surround channel
# By the number of channels: L R C (LFE) Ls Rs. Other layouts have no order that can be relied on: every weight is 1.
_CHANNEL_WEIGHTS = {5: (1, 1, 1, _SURROUND, _SURROUND), 6: (1, 1, 1, 0, _SURROUND, _SURROUND)}
# BS.1770 gives coefficients for 48 kHz. They are those of these analogue filters, under the bilinear transform.
_SHELF_HZ, _SHELF_Q, _SHELF_DB, _SHELF_SLOPE = (
    1681.974450955533,
    0.7071752369554196,
    3.999843853973347,
    0.4996667741545416,
)
_HIGH_PASS_HZ, _HIGH_PASS_Q = 38.13547087602444, 0.5003270373238773
_STANDARD_RATE = 48_000
_HIGHEST_CORNER = 0.45  # of the rate: above it, at rates under 4 kHz, a corner cannot be


class LoudnessMeter:
    """Measures loudness from blocks of one file; it keeps ten numbers a second."""

    def __init__(self) -> None:
        self._format = (0, 0)
        self._energies: list[np.ndarray] = []

    def add(self, block: np.ndarray, rate: int) -> None:
        """Measure a block, finite float32 [channels, n] at `rate` Hz.

        A block begins on a tenth of a second since the last change of rate or channels, and only the last before such
        a change ends elsewhere: the rest of a tenth is dropped there.
        """
        if self._format != (rate, len(block)):
            self._format = (rate, len(block))
            self._sections = k_weighting(rate)
            self._state = np.zeros((len(self._sections), len(block), 2))
            self._weights = np.array(_CHANNEL_WEIGHTS.get(len(block), (1,) * len(block)), float)
        weighted, self._state = sosfilt(self._sections, block.astype(float), axis=1, zi=self._state)
        steps = block.shape[1] * STEPS_PER_SECOND // rate
        if not steps:
            return
        starts = step_starts(steps, rate)
        np.square(weighted, out=weighted)
        sums = np.add.reduceat(weighted[:, : starts[-1]], starts[:-1], axis=1)
        self._energies.append(self._weights @ sums / np.diff(starts))

    def energies(self) -> np.ndarray:
        """Return the energy of each tenth of a second, float64 [steps].

        It is the mean square after K-weighting, summed over the weighted channels.
        """
        return np.concatenate(self._energies) if self._energies else np.zeros(0)


def step_starts(steps: int, rate: int) -> np.ndarray:
    """Return the first sample of each tenth of a second, int [steps + 1]."""
    return np.arange(steps + 1) * rate // STEPS_PER_SECOND


def k_weighting(rate: int) -> np.ndarray:
    """Return BS.1770's K-weighting as second-order sections [2, 6] for a rate in Hz.

    At 48 kHz these are the standard's coefficients.
    """
    return np.array([_shelf(rate), _high_pass(rate)])


def integrated_loudness(energies: np.ndarray) -> float | None:
    """Return the gated loudness in LUFS, or None if nothing passes the gate.

    `energies` are those of LoudnessMeter. Source: BS.1770-4, annex 1.
    """
    return _to_lufs(_gate(_windowed_mean(energies, _GATING_STEPS), _RELATIVE_GATE))


def loudness_range(energies: np.ndarray) -> float | None:
    """Return the loudness range in LU, or None if no 3 s pass the gate.

    `energies` are those of LoudnessMeter. Source: EBU Tech 3342.
    """
    passed = _gate(_windowed_mean(energies, _SHORT_TERM_STEPS), _RANGE_GATE)
    if not len(passed):
        return None
    low, high = np.percentile(passed, _RANGE_PERCENTILES)
    return float(10 * np.log10(high / low))


def _gate(powers: np.ndarray, relative_gate: float) -> np.ndarray:
    """Return the powers above both gates; the relative one is in LU below their mean."""
    passed = powers[powers > _to_power(_ABSOLUTE_GATE)]
    return passed[passed > passed.mean() * 10 ** (-relative_gate / 10)] if len(passed) else passed


def _to_lufs(powers: np.ndarray) -> float | None:
    return float(_OFFSET + 10 * math.log10(powers.mean())) if len(powers) else None


def _to_power(loudness: float) -> float:
    return 10 ** ((loudness - _OFFSET) / 10)


def _windowed_mean(energies: np.ndarray, steps: int) -> np.ndarray:
    """Return the mean of every `steps` successive energies, [steps - 1 fewer]."""
    if len(energies) < steps:
        return np.zeros(0)
    return np.lib.stride_tricks.sliding_window_view(energies, steps).mean(axis=1)


def _shelf(rate: int) -> list[float]:
    k = math.tan(math.pi * min(_SHELF_HZ / rate, _HIGHEST_CORNER))
    high = 10 ** (_SHELF_DB / 20)
    band = high**_SHELF_SLOPE
    scale = 1 + k / _SHELF_Q + k * k
    zeros = [high + band * k / _SHELF_Q + k * k, 2 * (k * k - high), high - band * k / _SHELF_Q + k * k]
    return [zero / scale for zero in zeros] + _poles(k, _SHELF_Q)


def _high_pass(rate: int) -> list[float]:
    def scale(at_rate: int) -> float:
        k = math.tan(math.pi * min(_HIGH_PASS_HZ / at_rate, _HIGHEST_CORNER))
        return 1 + k / _HIGH_PASS_Q + k * k

    gain = scale(_STANDARD_RATE) / scale(rate)  # the standard's zeros are 1, -2, 1: unscaled, at 48 kHz
    k = math.tan(math.pi * min(_HIGH_PASS_HZ / rate, _HIGHEST_CORNER))
    return [gain, -2 * gain, gain, *_poles(k, _HIGH_PASS_Q)]


def _poles(k: float, quality: float) -> list[float]:
    scale = 1 + k / quality + k * k
    return [1.0, 2 * (k * k - 1) / scale, (1 - k / quality + k * k) / scale]
