"""Describes a file from its native chunks, in one pass."""

import numpy as np

from schemas.descriptions import Description
from workers.description.intro import find_intro
from workers.description.key import KeyMeter
from workers.description.loudness import LoudnessMeter, integrated_loudness, loudness_range
from workers.description.mono import MonoMixer
from workers.description.tempo import TempoMeter
from workers.description.true_peak import TruePeakMeter

_BLOCK_SECONDS = 2  # a whole number of tenths of a second, at any rate
_LEAST_RATE = 100  # Hz: below it there is no sound
_LOUDEST = 1e3  # 60 dB over full scale: what is above is no sound, and its square must stay finite


class Describer:
    """Describes one file from its native chunks; memory does not grow with the file's length.

    Chunks are cut anew into blocks of two seconds, so that results do not depend on how the decoder cut them.
    """

    def __init__(self) -> None:
        self._rate, self._channels = 0, 0
        self._waiting: list[np.ndarray] = []
        self._samples = 0
        self._loudness, self._true_peak = LoudnessMeter(), TruePeakMeter()
        self._mixer, self._tempo, self._key = MonoMixer(), TempoMeter(), KeyMeter()

    def add(self, samples: np.ndarray, rate: int) -> None:
        """Add a chunk, float32 [channels, n] at `rate` Hz; NaN and infinity count as silence.

        Rate and channels may change from chunk to chunk.
        """
        if not samples.size or rate < _LEAST_RATE:
            return
        if (rate, len(samples)) != (self._rate, self._channels):
            self._restart()
            self._rate, self._channels = rate, len(samples)
        self._waiting.append(make_finite(samples))
        self._samples += samples.shape[1]
        size = _BLOCK_SECONDS * rate
        if self._samples >= size:
            joined = np.concatenate(self._waiting, axis=1)
            end = joined.shape[1] // size * size
            for start in range(0, end, size):
                self._measure(joined[:, start : start + size])
            self._waiting, self._samples = [joined[:, end:]], joined.shape[1] - end

    def finish(self) -> Description:
        """Return the description of all chunks."""
        self._restart()
        for stretch in self._mixer.finish():
            self._analyse(stretch)
        tempo, key, energies = self._tempo.finish(), self._key.finish(), self._loudness.energies()
        loudness = integrated_loudness(energies)
        return Description(
            bpm=tempo.bpm,
            bpm_confidence=tempo.confidence,
            bpm_alternative=tempo.alternative,
            musical_key=key.tonic,
            mode=key.mode,
            key_confidence=key.confidence,
            camelot=key.camelot,
            loudness_lufs=loudness,
            true_peak_db=self._true_peak.decibels(),
            loudness_range=loudness_range(energies),
            intro_s=find_intro(energies, loudness),
        )

    def _restart(self) -> None:
        """Measure what waits and end the signal.

        The next block has another rate or other channels.
        """
        if self._samples:
            self._measure(np.concatenate(self._waiting, axis=1))
        self._waiting, self._samples = [], 0
        self._true_peak.restart()
        for stretch in self._mixer.restart():
            self._analyse(stretch)

    def _measure(self, block: np.ndarray) -> None:
        self._loudness.add(block, self._rate)
        self._true_peak.add(block)
        for stretch in self._mixer.add(block, self._rate):
            self._analyse(stretch)

    def _analyse(self, stretch: np.ndarray) -> None:
        self._tempo.add(stretch)
        self._key.add(stretch)


def make_finite(samples: np.ndarray) -> np.ndarray:
    """Return the samples with silence for NaN and infinity, as float32.

    What exceeds full scale by more than 60 dB is cut there.
    """
    if samples.max() <= _LOUDEST and samples.min() >= -_LOUDEST:  # false for NaN, too
        return samples.astype(np.float32, copy=False)
    finite = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(finite, -_LOUDEST, _LOUDEST).astype(np.float32)
