"""Tempo: the period of a track's onsets, and the octave that a listener would count.

Sources: onset strength as spectral flux, S. Dixon, "Onset Detection Revisited" (DAFx 2006); autocorrelation times
spectrum, because they err at different multiples, G. Peeters, "Template-Based Estimation of Time-Varying Tempo"
(EURASIP 2007); a log-normal prior, D. Ellis, "Beat Tracking by Dynamic Programming" (JNMR 2007).
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.fft import rfft
from scipy.ndimage import uniform_filter1d

from workers.description.mono import RATE

FRAME, HOP = 512, 110  # samples: 46 ms, and 100.2 frames a second
FRAME_RATE = RATE / HOP
_BANDS, _LOWEST_HZ, _HIGHEST_HZ = 40, 30.0, 5400.0
_COMPRESSION = 1000.0  # of amplitudes, relative to the loudest of the stretch
_SILENT = 1e-6  # amplitude of a band
_TREND_SECONDS = 0.5  # slower changes of the onset strength are removed
_LEAST_CHANGE = 0.004  # deviation of the onset strength: a steady tone has less, the softest pad 0.02
_LEAST_SECONDS = 4.0
_LEAST_PAIRS = 0.2  # of the frames: lags with fewer pairs are noise

TEMPOS = np.geomspace(40, 220, 600)  # bpm
_MULTIPLES = (
    1,
    2,
    4,
)  # beats, half bars and bars for the autocorrelation; beats, quavers, semiquavers for the spectrum
_LONGEST_LAG = math.ceil(4 * 60 / TEMPOS[0] * FRAME_RATE)  # frames
_PRIOR_BPM, _PRIOR_OCTAVES = 105.0, 0.8
# The least score is LEAST_SCORE, or SHORT_SCORE / seconds: noise reaches 0.018 in 8 s, 0.009 in 24 s.
_LEAST_SCORE, _SHORT_SCORE = 0.012, 0.3
_SAME_TEMPO = 0.06  # tempos nearer than this, relative, are one
_FFT_FRAMES = 1 << 15
# P(right) = 1 / (1 + exp(slope * (ratio - middle))); `ratio` is the second best score to the best.
_CONFIDENCE_SLOPE, _CONFIDENCE_MIDDLE = 6.1, 0.90


@dataclass(frozen=True, slots=True)
class Tempo:
    """Beats per minute, the confidence in 0..1, and the tempo that listeners may feel instead."""

    bpm: float | None = None
    confidence: float = 0.0
    alternative: float | None = None


class TempoMeter:
    """Sums autocorrelations and spectra of the onset strength of a file's stretches."""

    def __init__(self) -> None:
        self._products = np.zeros(_LONGEST_LAG + 1)
        self._pairs = np.zeros(_LONGEST_LAG + 1)
        self._spectrum = np.zeros(len(TEMPOS))
        self._frames = 0

    def add(self, stretch: np.ndarray) -> None:
        """Add a stretch of mono sound, float32 [n] at RATE Hz."""
        strength = onset_strength(stretch)
        count = len(strength)
        if not count or strength.std() < _LEAST_CHANGE:
            return
        self._frames += count
        products, pairs = autocorrelate(strength), np.maximum(0, count - np.arange(_LONGEST_LAG + 1))
        pairs[pairs < _LEAST_PAIRS * count] = 0
        self._products += np.where(pairs > 0, products * count / products[0], 0)
        self._pairs += pairs
        self._spectrum += count * periodicity(strength)

    def finish(self) -> Tempo:
        """Return the tempo of all stretches."""
        seconds = self._frames / FRAME_RATE
        if seconds < _LEAST_SECONDS:
            return Tempo()
        autocorrelation = self._products / np.maximum(self._pairs, 1)
        scores = score_tempos(autocorrelation, self._spectrum / self._frames)
        return choose_tempo(scores) if scores.max() > max(_LEAST_SCORE, _SHORT_SCORE / seconds) else Tempo()


def onset_strength(stretch: np.ndarray) -> np.ndarray:
    """Return how much louder a stretch gets, at FRAME_RATE, without its trend; float32 [frames].

    `stretch` is mono, float32 [n] at RATE Hz. Silence has no frames.
    """
    if len(stretch) < FRAME + HOP:
        return np.zeros(0, np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(stretch, FRAME)[::HOP]
    bands = np.abs(rfft(frames * _WINDOW, axis=1)) @ _MEL
    loudest = bands.max()
    if not loudest > _SILENT:
        return np.zeros(0, np.float32)
    levels = np.log1p(np.float32(_COMPRESSION / loudest) * bands)
    flux = np.maximum(np.diff(levels, axis=0), 0).mean(axis=1)
    return flux - uniform_filter1d(flux, round(_TREND_SECONDS * FRAME_RATE))


def autocorrelate(strength: np.ndarray) -> np.ndarray:
    """Return the autocorrelation of the onset strength [frames], float64 [_LONGEST_LAG + 1].

    It is not normalised: sums of products.
    """
    size = 1 << (len(strength) + _LONGEST_LAG).bit_length()
    spectrum = np.fft.rfft(strength.astype(float), size)
    return np.fft.irfft(np.abs(spectrum) ** 2, size)[: _LONGEST_LAG + 1]


def periodicity(strength: np.ndarray) -> np.ndarray:
    """Return the amplitude of the onset strength [frames] at each of TEMPOS.

    The amplitudes at _MULTIPLES of the tempo are summed.
    """
    amplitudes = np.abs(np.fft.rfft(strength * np.hanning(len(strength)), _FFT_FRAMES))
    amplitudes /= math.sqrt(float(np.square(strength).sum()) * len(strength))
    bins = TEMPOS / 60 / FRAME_RATE * _FFT_FRAMES
    return sum(np.interp(bins * multiple, np.arange(len(amplitudes)), amplitudes) for multiple in _MULTIPLES)


def score_tempos(autocorrelation: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
    """Return how well each of TEMPOS explains the onsets, [tempos].

    `autocorrelation` is 1 at lag 0; `spectrum` is the mean of `periodicity`.
    """
    lags, known = 60 * FRAME_RATE / TEMPOS, np.arange(len(autocorrelation))
    comb = sum(np.interp(lags * multiple, known, autocorrelation) / multiple for multiple in _MULTIPLES)
    return np.maximum(comb / sum(1 / multiple for multiple in _MULTIPLES), 0) * np.sqrt(spectrum)


def choose_tempo(scores: np.ndarray) -> Tempo:
    """Return the best of TEMPOS by its scores [tempos], not all zero, and the prior."""
    prior = np.exp(-0.5 * (np.log2(TEMPOS / _PRIOR_BPM) / _PRIOR_OCTAVES) ** 2)
    weighted = scores * prior
    best = int(weighted.argmax())
    others = np.where(np.abs(np.log(TEMPOS / TEMPOS[best])) < _SAME_TEMPO, 0, weighted)
    second = int(others.argmax())
    ratio = others[second] / weighted[best]
    confidence = 1 / (1 + math.exp(_CONFIDENCE_SLOPE * (ratio - _CONFIDENCE_MIDDLE)))
    return Tempo(_refine(weighted, best), confidence, _refine(others, second) if ratio > 0 else None)


def _refine(scores: np.ndarray, index: int) -> float:
    """Return the tempo at the vertex of the parabola through a maximum and its neighbours."""
    left, middle, right = scores[max(index - 1, 0)], scores[index], scores[min(index + 1, len(scores) - 1)]
    curvature = left - 2 * middle + right
    offset = 0.5 * (left - right) / curvature if curvature < 0 else 0.0
    return float(TEMPOS[index] * (TEMPOS[1] / TEMPOS[0]) ** float(np.clip(offset, -0.5, 0.5)))


def _mel_bands() -> np.ndarray:
    """Return triangular bands of equal width in mel, float32 [bins, _BANDS]."""
    edges = 700 * (np.geomspace(1 + _LOWEST_HZ / 700, 1 + _HIGHEST_HZ / 700, _BANDS + 2) - 1)
    hertz = np.fft.rfftfreq(FRAME, 1 / RATE)[:, None]
    rising = (hertz - edges[:-2]) / np.maximum(edges[1:-1] - edges[:-2], RATE / FRAME)
    falling = (edges[2:] - hertz) / np.maximum(edges[2:] - edges[1:-1], RATE / FRAME)
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


_WINDOW = np.hanning(FRAME).astype(np.float32)
_MEL = _mel_bands()
