"""Mono sound at one rate, in stretches of equal length."""

from collections.abc import Iterator

import numpy as np
import soxr

RATE = 11_025  # Hz
STRETCH = 24 * RATE  # samples that are analysed at once
_CANCELLED = 1e-3  # of the channels' mean energy: -30 dB, as in the verdict "phase_cancelled"


class MonoMixer:
    """Mixes blocks of native channels to mono, resamples them, and cuts stretches of STRETCH samples."""

    def __init__(self) -> None:
        self._stream: soxr.ResampleStream | None = None
        self._pieces: list[np.ndarray] = []
        self._samples = 0

    def add(self, block: np.ndarray, rate: int) -> Iterator[np.ndarray]:
        """Add a block and yield the stretches that are complete.

        `block` is finite float32 [channels, n] at `rate` Hz.
        """
        if self._stream is None:
            self._stream = soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="HQ")
        yield from self._collect(self._stream.resample_chunk(mix_down(block)))

    def restart(self) -> Iterator[np.ndarray]:
        """End the signal and yield the stretches that are complete.

        The next block may have another rate.
        """
        if self._stream is not None:
            yield from self._collect(self._stream.resample_chunk(np.zeros(0, np.float32), last=True))
            self._stream = None

    def finish(self) -> Iterator[np.ndarray]:
        """End the file; yield the stretches that remain. The last may be shorter."""
        yield from self.restart()
        if self._samples:
            yield np.concatenate(self._pieces)

    def _collect(self, piece: np.ndarray) -> Iterator[np.ndarray]:
        self._pieces.append(piece)
        self._samples += len(piece)
        while self._samples >= STRETCH:
            joined = np.concatenate(self._pieces)
            yield joined[:STRETCH]
            self._pieces, self._samples = [joined[STRETCH:]], len(joined) - STRETCH


def mix_down(block: np.ndarray) -> np.ndarray:
    """Return the mean of the channels, or the first where they cancel each other.

    float32 [channels, n] -> float32 [n].
    """
    if len(block) == 1:
        return block[0]
    mean = block.mean(axis=0, dtype=np.float32)
    energy = float(np.mean([np.dot(channel, channel) for channel in block]))
    return block[0] if float(np.dot(mean, mean)) < _CANCELLED * energy else mean
