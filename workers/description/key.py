"""Musical key: a histogram of spectral peaks, its tuning, a chroma, and profiles of the 24 keys.

Sources: E. Gómez, "Tonal Description of Music Audio Signals" (2006), for peaks and tuning; D. Temperley, "What's Key
for Key?" (Music Perception 17, 1999) for the profiles; M. Davis, "Camelot" codes of harmonic mixing.
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import rfft

from schemas.descriptions import KEYS, MODES
from workers.description.mono import RATE

FRAME, HOP = 4096, 2048  # samples: 0.37 s, and 5.4 frames a second
CENTS = 10  # width of a bin of the histogram
_PER_OCTAVE = 1200 // CENTS
_PER_SEMITONE = 100 // CENTS
_LOWEST_HZ = 440 * 2 ** (-45 / 12)  # C1: the histogram begins there
_OCTAVES = 6
_LEAST_LEVEL = 1e-3  # of the frame's highest peak: -60 dB
_SILENT = 1e-5  # amplitude of a frame's highest peak
_LEAST_SECONDS = 2.0
_LEAST_CORRELATION = 0.3
_PROFILES = (
    np.array([5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0]),
    np.array([5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0]),
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key, one of KEYS, its mode, one of MODES, the confidence in 0..1 and the Camelot code."""

    tonic: str | None = None
    mode: str | None = None
    confidence: float = 0.0
    camelot: str | None = None


class KeyMeter:
    """Sums the spectral peaks of a file in bins of CENTS, over six octaves from C1."""

    def __init__(self) -> None:
        self._histogram = np.zeros(_OCTAVES * _PER_OCTAVE)
        self._seconds = 0.0

    def add(self, stretch: np.ndarray) -> None:
        """Add a stretch of mono sound, float32 [n] at RATE Hz."""
        self._histogram += peak_histograms(stretch).sum(axis=0)
        self._seconds += len(stretch) / RATE

    def finish(self) -> Key:
        """Return the key of all stretches."""
        if self._seconds < _LEAST_SECONDS or not self._histogram.any():
            return Key()
        return choose_key(fold_to_chroma(self._histogram))


def peak_histograms(stretch: np.ndarray) -> np.ndarray:
    """Return the spectral peaks of each frame by pitch, each frame's sum being 1; float64 [frames, bins].

    `stretch` is mono, float32 [n] at RATE Hz. Silent frames are zeros.
    """
    if len(stretch) < FRAME:
        return np.zeros((0, _OCTAVES * _PER_OCTAVE))
    frames = np.lib.stride_tricks.sliding_window_view(stretch, FRAME)[::HOP]
    magnitudes = np.abs(rfft(frames * _WINDOW, axis=1))
    frame, position, height = find_peaks(magnitudes)
    bins = np.floor(np.log2(position * (RATE / FRAME) / _LOWEST_HZ) * _PER_OCTAVE + 0.5).astype(int)
    inside = (bins >= 0) & (bins < _OCTAVES * _PER_OCTAVE)
    size = len(frames) * _OCTAVES * _PER_OCTAVE
    flat = np.bincount(frame[inside] * _OCTAVES * _PER_OCTAVE + bins[inside], np.sqrt(height[inside]), size)
    histograms = flat.reshape(len(frames), -1)
    return histograms / np.maximum(histograms.sum(axis=1, keepdims=True), 1e-12)


def find_peaks(magnitudes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the frame, the fractional bin and the height of each peak of spectra [frames, bins]."""
    middle = magnitudes[:, 1:-1]
    highest = magnitudes.max(axis=1, keepdims=True)
    is_peak = (middle > magnitudes[:, :-2]) & (middle >= magnitudes[:, 2:]) & (middle > _LEAST_LEVEL * highest)
    is_peak &= highest > _SILENT * FRAME / 4
    frame, index = np.nonzero(is_peak)
    logs = [np.log(np.maximum(magnitudes[frame, index + step], 1e-20)) for step in (0, 1, 2)]
    offset = 0.5 * (logs[0] - logs[2]) / (logs[0] - 2 * logs[1] + logs[2])
    return frame, index + 1 + offset, magnitudes[frame, index + 1]


def fold_to_chroma(histogram: np.ndarray) -> np.ndarray:
    """Return the weight of each pitch class from C, [12], after removing the deviation of the tuning."""
    deviation = np.exp(2j * np.pi * np.arange(len(histogram)) / _PER_SEMITONE)
    tuning = round(float(np.angle(histogram @ deviation)) / (2 * np.pi) * _PER_SEMITONE)
    tuned = np.roll(histogram, _PER_SEMITONE // 2 - tuning)
    return tuned.reshape(_OCTAVES, 12, _PER_SEMITONE).sum(axis=(0, 2))


def choose_key(chroma: np.ndarray) -> Key:
    """Return the key whose profile correlates best with a chroma [12]."""
    scores = np.array(
        [[np.corrcoef(chroma, np.roll(profile, tonic))[0, 1] for tonic in range(12)] for profile in _PROFILES]
    )
    if not scores.max() > _LEAST_CORRELATION:
        return Key()
    mode, tonic = np.unravel_index(int(scores.argmax()), scores.shape)
    second = np.sort(scores.ravel())[-2]
    confidence = float(np.clip((scores.max() - second) * 5, 0.05, 1))
    return Key(KEYS[tonic], MODES[mode], confidence, camelot_code(int(tonic), MODES[mode]))


def camelot_code(tonic: int, mode: str) -> str:
    """Return the Camelot code of a key: neighbours on the circle of fifths have neighbouring numbers.

    `tonic` is a pitch class, 0 for C. C major is 8B, A minor 8A.
    """
    major = tonic if mode == "major" else tonic + 3
    return f"{(major * 7 + 7) % 12 + 1}{'B' if mode == 'major' else 'A'}"


_WINDOW = np.hanning(FRAME).astype(np.float32)
