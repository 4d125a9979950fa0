"""Tempo: onset strength, its autocorrelation and spectrum, and the likeliest octave.

Sources: spectral flux by S. Dixon, "Onset Detection Revisited" (DAFx 2006); the product of autocorrelation and Fourier
spectrum by G. Peeters, "Template-based estimation of time-varying tempo" (EURASIP 2007); a log-normal prior by
D. Ellis, "Beat Tracking by Dynamic Programming" (JNMR 2007).
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import rfft
from scipy.ndimage import uniform_filter1d

from workers.description.mono import RATE

FRAME, HOP = 512, 110  # samples: 46 ms, and 100.2 frames a second
FRAME_RATE = RATE / HOP
_BANDS = 40
_LOWEST_HZ, _HIGHEST_HZ = 30.0, 5400.0
_COMPRESSION = 1000.0  # of amplitudes, against the loudest of the stretch
_TREND = 0.5  # seconds: slower changes of the onset strength are removed
_LONGEST_LAG = round(4.4 * FRAME_RATE)  # frames
_TEMPOS = np.geomspace(40, 220, 400)  # bpm
_LEAST_SECONDS = 4.0
_LEAST_CHANGE = 1e-3  # of the onset strength: a steady tone has less
_LEAST_SALIENCE = 0.08
_PRIOR_BPM, _PRIOR_OCTAVES = 105.0, 0.8
_SAME_TEMPO = 0.04  # bpm this close, relative, are one tempo


@dataclass(frozen=True, slots=True)
class Tempo:
    """Beats per minute, the confidence in 0..1, and the tempo that listeners may feel instead."""

    bpm: float | None = None
    confidence: float = 0.0
    alternative: float | None = None


class TempoMeter:
    """Sums the autocorrelations of the onset strength of a file's stretches."""

    def __init__(self) -> None:
        self._products = np.zeros(_LONGEST_LAG + 1)
        self._pairs = np.zeros(_LONGEST_LAG + 1)
        self._frames = 0

    def add(self, stretch: np.ndarray) -> None:
        """Add a stretch of mono sound, float32 [n] at RATE Hz."""
        strength = onset_strength(stretch)
        if not len(strength) or strength.std() < _LEAST_CHANGE:
            return
        self._frames += len(strength)
        products = autocorrelate(strength, _LONGEST_LAG)
        self._products += products / products[0] * len(strength)
        self._pairs += np.maximum(0, len(strength) - np.arange(_LONGEST_LAG + 1))

    def finish(self) -> Tempo:
        """Return the tempo of all stretches."""
        if self._frames < _LEAST_SECONDS * FRAME_RATE:
            return Tempo()
        return choose_tempo(self._products / np.maximum(self._pairs, 1))


def onset_strength(stretch: np.ndarray) -> np.ndarray:
    """Return how much louder a stretch gets, at FRAME_RATE, without its trend; float32 [frames].

    `stretch` is mono, float32 [n] at RATE Hz.
    """
    if len(stretch) < FRAME + HOP:
        return np.zeros(0, np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(stretch, FRAME)[::HOP]
    bands = np.abs(rfft(frames * _WINDOW, axis=1)) @ _MEL
    loudest = bands.max()
    if not loudest > 0:
        return np.zeros(0, np.float32)
    levels = np.log1p(_COMPRESSION / loudest * bands)
    flux = np.maximum(np.diff(levels, axis=0), 0).mean(axis=1)
    return flux - uniform_filter1d(flux, max(1, round(_TREND * FRAME_RATE)))


def autocorrelate(strength: np.ndarray, lags: int) -> np.ndarray:
    """Return the sums of products at lags 0 to `lags`, float64 [lags + 1]."""
    size = 1 << (len(strength) + lags).bit_length()
    spectrum = np.fft.rfft(strength.astype(float), size)
    return np.fft.irfft(np.abs(spectrum) ** 2, size)[: lags + 1]


def choose_tempo(autocorrelation: np.ndarray) -> Tempo:
    """Return the tempo of a normalised autocorrelation [lags + 1]."""
    lags = 60 * FRAME_RATE / _TEMPOS
    score = sum(_at(autocorrelation, lags * count) / count for count in (1, 2, 4)) / (1 + 1 / 2 + 1 / 4)
    salience = float(score.max())
    if salience < _LEAST_SALIENCE:
        return Tempo()
    prior = np.exp(-0.5 * (np.log2(_TEMPOS / _PRIOR_BPM) / _PRIOR_OCTAVES) ** 2)
    weighted = np.maximum(score, 0) * prior
    best = int(weighted.argmax())
    bpm = float(_TEMPOS[best])
    others = np.where(np.abs(np.log(_TEMPOS / bpm)) > 0.3, weighted, 0)
    alternative = float(_TEMPOS[int(others.argmax())]) if others.any() else None
    return Tempo(bpm, float(np.clip(score[best] * 2, 0, 1)), alternative)


def _at(autocorrelation: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Return the autocorrelation at fractional lags; beyond the last it is 0."""
    return np.interp(lags, np.arange(len(autocorrelation)), autocorrelation, right=0.0)


def _mel_bands() -> np.ndarray:
    """Return triangular bands of equal width in mel, float32 [bins, _BANDS]."""
    edges = 700 * (np.geomspace(1 + _LOWEST_HZ / 700, 1 + _HIGHEST_HZ / 700, _BANDS + 2) - 1)
    hertz = np.fft.rfftfreq(FRAME, 1 / RATE)[:, None]
    rising = (hertz - edges[:-2]) / np.maximum(edges[1:-1] - edges[:-2], RATE / FRAME)
    falling = (edges[2:] - hertz) / np.maximum(edges[2:] - edges[1:-1], RATE / FRAME)
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


_WINDOW = np.hanning(FRAME).astype(np.float32)
_MEL = _mel_bands()
