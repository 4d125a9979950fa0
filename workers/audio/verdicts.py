"""Verdicts on a file, collected while it is decoded. No library reports most of them by itself."""

import numpy as np

from schemas.audio import MAX_SECONDS, MIN_SECONDS, VERDICTS, AudioFacts

SILENT_PEAK = 1e-4  # -80 dB: below the dither of 16 bit
CLIPPED_LEVEL = 0.9999
CLIPPED_SHARE = 1e-3
CANCELLED_RATIO = 0.03  # the mean of the channels is 30 dB below the loudest channel
COMPLETE_SHARE = 0.98
_LEAST_LEVEL = 1e-10  # -200 dB stands for silence


class Rejected(Exception):
    """The track must be quarantined. `reason` is a fatal verdict, `message` is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message


class AudioInspector:
    """Collects the verdicts and levels of one file.

    A fatal verdict that is not in `accept` raises Rejected as soon as it is added.
    """

    def __init__(self, accept: frozenset[str]) -> None:
        self._accept = accept
        self._verdicts: set[str] = set()
        self._seconds = 0.0
        self._samples = 0
        self._peak = 0.0
        self._mean_energy = 0.0
        self._channel_energy = np.zeros(1)
        self._clipped_samples = 0
        self.codec = ""
        self.sample_rate = 0
        self.channels = 0

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The verdicts so far, sorted."""
        return tuple(sorted(self._verdicts))

    def add(self, verdict: str, message: str) -> None:
        """Add a verdict. Raises Rejected if it is fatal and not accepted."""
        if VERDICTS[verdict] and verdict not in self._accept:
            raise Rejected(verdict, message)
        self._verdicts.add(verdict)

    def measure(self, samples: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
        """Measure a chunk [channels, n].

        Returns the channels' mean [n] and the first channel [n]. The mean is not FFmpeg's mono mix, which is 3 dB
        louder for stereo (measured).
        """
        if self.sample_rate not in (0, rate):
            self.add("rate_change", f"{self.sample_rate} Hz, then {rate} Hz")
        self.sample_rate = self.sample_rate or rate
        self.channels = max(self.channels, len(samples))
        peak = float(np.abs(samples).max(initial=0.0))
        if not np.isfinite(peak):
            self.add("nonfinite", "NaN or infinity among the samples")
            samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
            peak = float(np.abs(samples).max(initial=0.0))
        mean = samples.mean(axis=0, dtype=np.float32)
        self._add_levels(samples, mean, peak)
        self._seconds += samples.shape[1] / rate
        if self._seconds > MAX_SECONDS:
            self.add("too_long", f"over {MAX_SECONDS / 3600:.0f} h")
        return mean, samples[0]

    def finish(self, declared_seconds: float | None = None, seconds: float | None = None) -> AudioFacts:
        """Add the verdicts on the whole file and return its facts.

        `declared_seconds` is the length that the container states. `seconds` is the file's length if only parts of it
        were decoded. Raises Rejected if a verdict is fatal.
        """
        length = self._seconds if seconds is None else seconds
        if not self._samples:
            self.add("empty", "no samples in the stream")
        if length < MIN_SECONDS:
            self.add("too_short", f"{length:.2f} s")
        if declared_seconds and length < COMPLETE_SHARE * declared_seconds:
            self.add("truncated", f"{length:.1f} s of {declared_seconds:.1f} s")
        if self._peak < SILENT_PEAK:
            self.add("silent", f"peak {self._peak:.1e}")
        if self._clipped_samples > CLIPPED_SHARE * self._samples * max(1, self.channels):
            self.add("clipped", "over 0.1 % of the samples at full scale")
        loudest_channel = np.sqrt(self._channel_energy.max() / max(1, self._samples))
        level = np.sqrt(self._mean_energy / max(1, self._samples))
        if level < CANCELLED_RATIO * loudest_channel:
            self.add("phase_cancelled", "the channels cancel each other")
        return AudioFacts(
            duration_s=length,
            codec=self.codec,
            sample_rate=self.sample_rate,
            channels=self.channels,
            peak=self._peak,
            rms_dbfs=float(20 * np.log10(max(level, _LEAST_LEVEL))),
            verdicts=self.verdicts,
        )

    def _add_levels(self, samples: np.ndarray, mean: np.ndarray, peak: float) -> None:
        self._samples += samples.shape[1]
        self._peak = max(self._peak, peak)
        if peak >= CLIPPED_LEVEL:
            self._clipped_samples += int(np.count_nonzero(np.abs(samples) >= CLIPPED_LEVEL))
        self._mean_energy += float(np.dot(mean, mean))
        energy = np.array([float(np.dot(channel, channel)) for channel in samples])
        size = max(len(energy), len(self._channel_energy))
        self._channel_energy = np.pad(self._channel_energy, (0, size - len(self._channel_energy)))
        self._channel_energy[: len(energy)] += energy
