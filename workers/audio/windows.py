"""The windows of an encoder: mono, resampled by soxr HQ, cut on the hop grid."""

import math
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

from schemas.audio import AudioFacts, WindowSpec
from workers.audio.container import read_declared_seconds
from workers.audio.decode import Chunk, count_demuxed_samples
from workers.audio.recording import Recording
from workers.audio.verdicts import AudioInspector

# Source samples that are read around a window: the HQ filter does not reach further. Already with 1024 the windows are
# those of the whole file to 1 - cosine < 1e-13 for ratios from 6:1 to 1:6 (measured).
_FILTER_SAMPLES = 4096


class TrackWindows:
    """Iterates over float32 windows [spec.window]; `facts` are complete after the last one.

    Iterating raises Rejected at a fatal verdict, at the latest after the last window. `first_channel` reads the first
    channel instead of the channels' mean: the remedy for "phase_cancelled", which is known only at the end.
    """

    facts: AudioFacts

    def __init__(
        self,
        recording: Recording,
        spec: WindowSpec,
        accept: frozenset[str] = frozenset(),
        *,
        first_channel: bool = False,
    ) -> None:
        self._recording, self._file = recording, recording.file
        self._spec, self._accept, self._first_channel = spec, accept, first_channel

    def __iter__(self) -> Iterator[np.ndarray]:
        inspector = AudioInspector(self._accept)
        declared = read_declared_seconds(self._file, inspector)
        if self._spec.limit is None:
            yield from cut_windows(self._resampled(inspector), self._spec)
            self.facts = inspector.finish(declared)
        elif "flac_strict" not in self._accept and (sound := _open_seekable(self._file, self._accept)) is not None:
            with sound:
                yield from self._seek_windows(sound, inspector)
                self.facts = inspector.finish(declared, sound.frames / sound.samplerate)
        else:
            yield from self._select_windows(inspector)
            self.facts = inspector.finish(declared)

    def _resampled(self, inspector: AudioInspector) -> Iterator[np.ndarray]:
        return resample(self._mono(self._recording.chunks(inspector), inspector), self._spec.sample_rate)

    def _mono(self, chunks: Iterator[Chunk], inspector: AudioInspector) -> Iterator[tuple[np.ndarray, int]]:
        for chunk in chunks:
            mean, first = inspector.measure(chunk.samples, chunk.rate)
            yield (first if self._first_channel else mean), chunk.rate

    def _select_windows(self, inspector: AudioInspector) -> Iterator[np.ndarray]:
        """Decode the file twice: once for its length, once for the selected windows."""
        samples = sum(map(len, self._resampled(AudioInspector(self._accept))))
        selected = set(self._spec.select_indices(samples))
        for index, window in enumerate(cut_windows(self._resampled(inspector), self._spec)):
            if index in selected:
                yield window

    def _seek_windows(self, sound: soundfile.SoundFile, inspector: AudioInspector) -> Iterator[np.ndarray]:
        """Decode the selected windows only, in formats whose seeking is exact to the sample.

        A stretch starts at a multiple of the ratio's period, so that the resampler has the phase of the whole file.
        """
        source_rate, rate = sound.samplerate, self._spec.sample_rate
        period = source_rate // math.gcd(source_rate, rate)
        samples = math.ceil(sound.frames * rate / source_rate)
        for index in self._spec.select_indices(samples):
            start = index * self._spec.hop
            stop = min(start + self._spec.window, samples)
            first = max(0, start * source_rate // rate - _FILTER_SAMPLES) // period * period
            last = min(sound.frames, stop * source_rate // rate + _FILTER_SAMPLES)
            block = _read_frames(sound, first, last, inspector)
            if len(block) < last - first:
                inspector.add("truncated", f"nothing is stored at {last / source_rate:.1f} s")
            chunk = Chunk(np.ascontiguousarray(block.T), source_rate)
            resampled = np.concatenate(list(resample(self._mono(iter([chunk]), inspector), rate)))
            offset = start - first * rate // source_rate
            yield _fill(resampled[offset : offset + stop - start], self._spec.window)


def read_windows(
    file: BinaryIO | Recording, spec: WindowSpec, accept: frozenset[str] = frozenset(), *, first_channel: bool = False
) -> TrackWindows:
    """Return the windows of an open file, or of a recording that several encoders share."""
    recording = file if isinstance(file, Recording) else Recording(file, keep=False)
    return TrackWindows(recording, spec, accept, first_channel=first_channel)


def resample(chunks: Iterator[tuple[np.ndarray, int]], rate: int) -> Iterator[np.ndarray]:
    """Resample mono chunks, float32 [n] with their source rate, to float32 pieces at `rate`.

    The source rate may change from chunk to chunk.
    """
    stream, current_rate = None, 0
    for samples, source_rate in chunks:
        if source_rate != current_rate:
            if stream:
                yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
            stream = soxr.ResampleStream(source_rate, rate, 1, dtype="float32", quality="HQ")
            current_rate = source_rate
        yield stream.resample_chunk(samples)
    if stream:
        yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def cut_windows(pieces: Iterator[np.ndarray], spec: WindowSpec) -> Iterator[np.ndarray]:
    """Cut mono pieces [n] into windows [spec.window] on the hop grid.

    WindowSpec defines what becomes of the rest.
    """
    rest, is_first = np.zeros(0, np.float32), True
    for piece in pieces:
        rest = np.concatenate([rest, piece])
        while len(rest) >= spec.window:
            yield rest[: spec.window].copy()
            rest, is_first = rest[spec.hop :], False
    if len(rest) and (len(rest) >= spec.window / 2 or is_first):
        yield _fill(rest, spec.window)


def _read_frames(sound: soundfile.SoundFile, first: int, last: int, inspector: AudioInspector) -> np.ndarray:
    try:
        sound.seek(first)
        return sound.read(last - first, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        inspector.add("flac_strict" if sound.format == "FLAC" else "truncated", f"libsndfile: {error}")
        raise


def _fill(audio: np.ndarray, window: int) -> np.ndarray:
    """Repeat audio that is shorter than a window until it fills the window."""
    return np.resize(audio, window) if len(audio) < window else audio


def _rewind(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return file


def _open_seekable(file: BinaryIO, accept: frozenset[str]) -> soundfile.SoundFile | None:
    """Open a file if seeking in it is exact to the sample.

    That is so for WAV, Ogg Vorbis and undamaged FLAC. A FLAC file that may be cut off (`accept`) is decoded from its
    beginning: libFLAC cannot seek in it.
    """
    try:
        sound = soundfile.SoundFile(_rewind(file))
    except soundfile.LibsndfileError:
        return None
    is_exact = sound.format == "WAV" or (sound.format, sound.subtype) == ("OGG", "VORBIS")
    if is_exact or (
        sound.format == "FLAC" and "truncated" not in accept and sound.frames == count_demuxed_samples(file)
    ):
        return soundfile.SoundFile(_rewind(file))
    sound.close()
    return None
