"""Musical key: spectral peaks by pitch, their tuning, a chroma, profiles of 24 keys.

Sources: peaks instead of all bins and the estimate of the tuning, E. Gómez, "Tonal Description of Music Audio Signals"
(2006); profiles of major and minor, J. Albrecht and D. Shanahan, "The Use of Large Corpora to Train a New Type of
Key-Finding Algorithm" (Music Perception 31, 2013). Camelot codes are those of harmonic mixing.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.fft import rfft

from schemas.descriptions import KEYS, MODES, to_camelot
from workers.description.mono import RATE

FRAME, HOP = 4096, 2048  # samples: 0.37 s, and 5.4 frames a second
_BINS_PER_SEMITONE = 10
_BINS_PER_OCTAVE = 12 * _BINS_PER_SEMITONE
_LOWEST_HZ = 440 * 2 ** (-45 / 12)  # C1: the histogram begins there
_OCTAVES = 5  # up to 1 kHz: above, peaks are harmonics, which blur the chroma
_BINS = _OCTAVES * _BINS_PER_OCTAVE
_LEAST_LEVEL = 0.05  # of the frame's highest peak: softer peaks are harmonics, noise and side lobes
_SILENT = 1e-4  # amplitude of a frame's highest peak: -80 dB
_LEAST_SECONDS = 2.0
_LEAST_CLARITY = 0.12  # of the tuning: white noise has 0.02, drums up to 0.11, pitched music more than 0.16
# P(right) = 1 / (1 + exp(-slope * (margin - middle))); `margin` is the best correlation less the second best.
_CONFIDENCE_SLOPE, _CONFIDENCE_MIDDLE = 10.0, 0.07
# Chosen of eight published pairs, on the corpus of docs/descriptions.md.
_PROFILES = np.array(
    [
        [0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081],
        [0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052],
    ]
)


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic of KEYS, a mode of MODES, the confidence in 0..1, the Camelot code."""

    tonic: str | None = None
    mode: str | None = None
    confidence: float = 0.0
    camelot: str | None = None


class KeyMeter:
    """Sums the spectral peaks of a file by pitch."""

    def __init__(self) -> None:
        self._histogram = np.zeros(_BINS)
        self._frames = 0

    def add(self, stretch: np.ndarray) -> None:
        """Add a stretch of mono sound, float32 [n] at RATE Hz."""
        histograms = pitch_histograms(stretch)
        self._histogram += histograms.sum(axis=0)
        self._frames += int(np.count_nonzero(histograms.any(axis=1)))

    def finish(self) -> Key:
        """Return the key of all stretches."""
        if self._frames * HOP < _LEAST_SECONDS * RATE:
            return Key()
        tuning, clarity = estimate_tuning(self._histogram)
        return choose_key(fold_to_chroma(self._histogram, tuning)) if clarity > _LEAST_CLARITY else Key()


def pitch_histograms(stretch: np.ndarray) -> np.ndarray:
    """Return the spectral peaks of each frame by pitch from C1; float64 [frames, bins].

    `stretch` is mono, float32 [n] at RATE Hz. The sum of a frame is 1, or 0 if it is silent. A peak counts by the root
    of its amplitude.
    """
    if len(stretch) < FRAME:
        return np.zeros((0, _BINS))
    frames = np.lib.stride_tricks.sliding_window_view(stretch, FRAME)[::HOP]
    frame, position, height = find_peaks(np.abs(rfft(frames * _WINDOW, axis=1)))
    bins = np.rint(np.log2(position * (RATE / FRAME / _LOWEST_HZ)) * _BINS_PER_OCTAVE).astype(int)
    inside = (bins >= 0) & (bins < _BINS)
    cells = frame[inside] * _BINS + bins[inside]
    histograms = np.bincount(cells, np.sqrt(height[inside]), len(frames) * _BINS).reshape(-1, _BINS).astype(float)
    return histograms / np.maximum(histograms.sum(axis=1, keepdims=True), 1e-12)


def find_peaks(magnitudes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the frame, fractional bin and height of each peak of spectra [frames, bins]."""
    middle = magnitudes[:, 1:-1]
    highest = magnitudes.max(axis=1, keepdims=True)
    least = np.maximum(_LEAST_LEVEL * highest, _SILENT * FRAME / 4)  # a sine's peak is FRAME / 4 times its amplitude
    frame, index = np.nonzero((middle > magnitudes[:, :-2]) & (middle >= magnitudes[:, 2:]) & (middle > least))
    left, top, right = (np.log(np.maximum(magnitudes[frame, index + step], 1e-20)) for step in (0, 1, 2))
    return frame, index + 1 + 0.5 * (left - right) / (left - 2 * top + right), magnitudes[frame, index + 1]


def estimate_tuning(histogram: np.ndarray) -> tuple[float, float]:
    """Return the tuning and its clarity of a histogram [bins].

    The tuning is in semitones from A = 440 Hz. The clarity is 1 if all peaks deviate equally from the semitones, 0 if
    they have no semitones in common.
    """
    angles = np.exp(2j * np.pi * np.arange(len(histogram)) / _BINS_PER_SEMITONE)
    mean = histogram @ angles / max(float(histogram.sum()), 1e-12)
    return float(np.angle(mean)) / (2 * math.pi), float(np.abs(mean))


def fold_to_chroma(histogram: np.ndarray, tuning: float) -> np.ndarray:
    """Return the weight of each pitch class from C, [12], of a histogram [bins].

    `tuning` is in semitones.
    """
    tuned = np.roll(histogram, _BINS_PER_SEMITONE // 2 - round(tuning * _BINS_PER_SEMITONE))
    return tuned.reshape(_OCTAVES, 12, _BINS_PER_SEMITONE).sum(axis=(0, 2))


def choose_key(chroma: np.ndarray) -> Key:
    """Return the key whose profile correlates best with a chroma [12], which is not flat."""
    keys = [np.roll(profile, tonic) for profile in _PROFILES for tonic in range(12)]
    correlations = np.corrcoef(chroma, keys)[0, 1:]
    second, best = np.sort(correlations)[-2:]
    mode, tonic = divmod(int(correlations.argmax()), 12)
    confidence = 1 / (1 + math.exp(-_CONFIDENCE_SLOPE * (best - second - _CONFIDENCE_MIDDLE)))
    return Key(KEYS[tonic], MODES[mode], confidence, to_camelot(KEYS[tonic], MODES[mode]))


_WINDOW = np.hanning(FRAME).astype(np.float32)
