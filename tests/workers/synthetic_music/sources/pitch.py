"""The pitch of a note.

It is measured by the normalised difference function of YIN (de Cheveigne and Kawahara, 2002), or by a partial.
"""

import numpy as np

QUIET = 0.01  # of the loudest frame's power: softer frames do not count


def cents_off(sound: np.ndarray, rate: int, pitch: float) -> float:
    """Return by how many cents a mono note [frames] is sharp, octaves apart; the median of its frames.

    The period is searched within three semitones of the pitch, or of its octaves if that fits clearly better.
    """
    octaves = [_measure(sound, rate, pitch + 12 * octave) for octave in (0, -1, 1, -2, 2)]
    clarity, cents = min(octaves, key=lambda measured: measured[0])
    return octaves[0][1] if octaves[0][0] < clarity + 0.1 else cents


def partial_cents_off(sound: np.ndarray, rate: int, pitch: float) -> float:
    """Return by how many cents a bar's or bell's mono note [frames] is sharp.

    Its partials are no harmonics; the strongest within a semitone of the pitch or of an octave above it counts.
    """
    size = 1 << 19
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), size))
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    peaks = []
    for octave in range(3):
        expected = 440 * 2 ** ((pitch + 12 * octave - 69) / 12)
        near = np.flatnonzero(np.abs(frequencies / expected - 1) < 0.06)
        peak = near[np.argmax(spectrum[near])]
        peaks.append((float(spectrum[peak]), float(1200 * np.log2(frequencies[peak] / expected))))
    return max(peaks)[1]


def _measure(sound: np.ndarray, rate: int, pitch: float) -> tuple[float, float]:
    """Return how aperiodic the note is, 0 if not at all, and by how many cents it is sharp."""
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    longest = int(rate / frequency * 2 ** (3 / 12)) + 2
    shortest = max(2, int(rate / frequency * 2 ** (-3 / 12)))
    width = max(round(0.03 * rate), 4 * longest)
    stop = len(sound) - width - longest
    if stop <= 0:
        return 1.0, 0.0
    frames = [sound[start : start + width + longest].astype(np.float64) for start in range(0, stop, stop // 16 + 1)]
    loudest = max(float(np.mean(frame**2)) for frame in frames)
    periods = [_period(frame, shortest, longest) for frame in frames if np.mean(frame**2) > QUIET * loudest]
    clarity, period = np.median(periods, axis=0)
    return float(clarity), float(1200 * np.log2(rate / period / frequency))


def _period(frame: np.ndarray, shortest: int, longest: int) -> tuple[float, float]:
    """Return the smallest normalised difference and its lag, in fractions of a sample."""
    width = len(frame) - longest
    size = 1 << (2 * len(frame) - 1).bit_length()
    products = np.fft.irfft(np.conj(np.fft.rfft(frame[:width], size)) * np.fft.rfft(frame, size), size)[: longest + 1]
    energies = np.concatenate([[0], np.cumsum(frame**2)])
    energies = energies[width : width + longest + 1] - energies[: longest + 1]
    difference = energies[0] + energies - 2 * products
    sums = np.cumsum(difference[1:])
    normalised = np.concatenate([[1], difference[1:] * np.arange(1, longest + 1) / np.maximum(sums, 1e-12)])
    lag = shortest + int(np.argmin(normalised[shortest:longest]))
    if not 1 <= lag < longest:
        return 1.0, float(lag)
    before, middle, after = normalised[lag - 1 : lag + 2]
    curvature = before - 2 * middle + after
    return float(middle), lag + (0.5 * (before - after) / curvature if curvature > 0 else 0.0)
