"""Audio -> the windows that an encoder hears: mono, resampled by soxr HQ, cut on the hop grid, one at a time."""

import math
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

from schemas.audio import AudioFacts, WindowSpec
from workers.audio.container import declared_seconds
from workers.audio.decode import Chunk, demuxed_samples
from workers.audio.recording import Recording
from workers.audio.verdicts import Notes

# Beyond this many source samples the HQ filter hears nothing: at 1024 the sought windows are the whole file's to
# 1 - cosine < 1e-13 for ratios from 6:1 to 1:6 (measured).
_FILTER_SAMPLES = 4096


class TrackWindows:
    """Iterates float32 windows [spec.window]; `facts` are complete once it is exhausted.

    Rejected is raised where a fatal verdict is found, at the latest when the last window has been taken.
    `first_channel` hears the first channel instead of the mean of all: the remedy for "phase_cancelled", which can
    only be known at the end.
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
        notes = Notes(self._accept)
        declared = declared_seconds(self._file, notes)
        if self._spec.limit is None:
            yield from cut(self._stream(notes), self._spec)
            self.facts = notes.finish(declared)
        elif "flac_strict" not in self._accept and (sound := _seekable(self._file)) is not None:
            with sound:
                yield from self._sought(sound, notes)
                self.facts = notes.finish(declared, sound.frames / sound.samplerate)
        else:
            total = sum(map(len, self._stream(Notes(self._accept))))
            chosen = set(self._spec.chosen(total))
            yield from (window for place, window in enumerate(cut(self._stream(notes), self._spec)) if place in chosen)
            self.facts = notes.finish(declared)

    def _stream(self, notes: Notes) -> Iterator[np.ndarray]:
        return resample(self._mono(self._recording.chunks(notes), notes), self._spec.sample_rate)

    def _mono(self, chunks: Iterator[Chunk], notes: Notes) -> Iterator[tuple[np.ndarray, int]]:
        for chunk in chunks:
            mean, first = notes.hear(chunk.samples, chunk.rate)
            yield (first if self._first_channel else mean), chunk.rate

    def _sought(self, sound: soundfile.SoundFile, notes: Notes) -> Iterator[np.ndarray]:
        """The chosen windows alone, in formats where seeking is exact to the sample.

        A stretch starts at a multiple of the ratio's period, so that the resampler's phase is the whole file's.
        """
        source, target = sound.samplerate, self._spec.sample_rate
        period = source // math.gcd(source, target)
        total = math.ceil(sound.frames * target / source)
        for place in self._spec.chosen(total):
            start = place * self._spec.hop
            stop = min(start + self._spec.window, total)
            first = max(0, start * source // target - _FILTER_SAMPLES) // period * period
            last = min(sound.frames, stop * source // target + _FILTER_SAMPLES)
            block = _read(sound, first, last, notes)
            if len(block) < last - first:
                notes.add("truncated", f"nothing is stored at {last / source:.1f} s")
            mono = next(self._mono(iter([Chunk(np.ascontiguousarray(block.T), source)]), notes))[0]
            offset = start - first * target // source
            heard = np.concatenate(list(resample(iter([(mono, source)]), target)))
            yield _filled(heard[offset : offset + stop - start], self._spec.window)


def read_windows(
    file: BinaryIO | Recording, spec: WindowSpec, accept: frozenset[str] = frozenset(), *, first_channel: bool = False
) -> TrackWindows:
    """Windows of an open file, or of a recording that others listen to as well; see TrackWindows."""
    recording = file if isinstance(file, Recording) else Recording(file, keep=False)
    return TrackWindows(recording, spec, accept, first_channel=first_channel)


def resample(chunks: Iterator[tuple[np.ndarray, int]], rate: int) -> Iterator[np.ndarray]:
    """Mono chunks of (float32 [n], source rate) -> float32 pieces at `rate`; follows a rate that changes."""
    stream, current = None, 0
    for samples, source in chunks:
        if source != current:
            if stream:
                yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
            stream, current = soxr.ResampleStream(source, rate, 1, dtype="float32", quality="HQ"), source
        yield stream.resample_chunk(samples)
    if stream:
        yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def cut(pieces: Iterator[np.ndarray], spec: WindowSpec) -> Iterator[np.ndarray]:
    """Windows on the hop grid; the tail as WindowSpec says."""
    held, some = np.zeros(0, np.float32), False
    for piece in pieces:
        held = np.concatenate([held, piece])
        while len(held) >= spec.window:
            yield held[: spec.window].copy()
            held, some = held[spec.hop :], True
    if len(held) and (len(held) >= spec.window / 2 or not some):
        yield _filled(held, spec.window)


def _read(sound: soundfile.SoundFile, first: int, last: int, notes: Notes) -> np.ndarray:
    try:
        sound.seek(first)
        return sound.read(last - first, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        notes.add("flac_strict" if sound.format == "FLAC" else "truncated", f"libsndfile: {error}")
        raise


def _filled(audio: np.ndarray, window: int) -> np.ndarray:
    """Repeats what audio there is to a whole window."""
    return np.resize(audio, window) if len(audio) < window else audio


def _rewound(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return file


def _seekable(file: BinaryIO) -> soundfile.SoundFile | None:
    try:
        sound = soundfile.SoundFile(_rewound(file))
    except soundfile.LibsndfileError:
        return None
    exact = sound.format == "WAV" or (sound.format, sound.subtype) == ("OGG", "VORBIS")
    if exact or (sound.format == "FLAC" and sound.frames == demuxed_samples(file)):
        return soundfile.SoundFile(_rewound(file))
    sound.close()
    return None
