"""Bytes -> chunks of float32 audio at the source's own rate, whatever the format; memory does not grow with length.

FFmpeg (PyAV) decodes. libsndfile goes first on FLAC, because it notices damage that FFmpeg returns as noise, and goes
on where FFmpeg's demuxer gives up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import av
import numpy as np
import soundfile

from workers.audio.container import open_container, opened
from workers.audio.verdicts import Notes

CHUNK_SAMPLES = 1 << 17


@dataclass(frozen=True, slots=True)
class Chunk:
    """float32 samples [channels, n] at `rate` Hz."""

    samples: np.ndarray
    rate: int


def decode(file: BinaryIO, notes: Notes) -> Iterator[Chunk]:
    """All audio of a file in order; what is wrong goes to `notes`, which raises Rejected for what is fatal."""
    file.seek(0)
    head = file.read(26)
    if head[:4] == b"fLaC" and int.from_bytes(head[21:26], "big") & 0xF_FFFF_FFFF:  # libsndfile needs a stated length
        yield from _decode_flac(file, notes)
    else:
        yield from _decode_ffmpeg(file, notes)


def _decode_flac(file: BinaryIO, notes: Notes) -> Iterator[Chunk]:
    reached = 0
    try:
        for chunk in _decode_sndfile(file, 0):
            reached += chunk.samples.shape[1]
            yield chunk
    except soundfile.LibsndfileError as error:
        notes.add("flac_strict", f"libFLAC: {error}")
    else:
        if demuxed_samples(file) <= reached:  # a header may state less than there is, and libsndfile believes it
            return
    yield from _skip(_decode_ffmpeg(file, notes), reached)


def _decode_ffmpeg(file: BinaryIO, notes: Notes) -> Iterator[Chunk]:
    trouble = _Trouble()
    with open_container(file, notes) as container:
        yield from _gathered(_frames(container, trouble))
    if trouble.packets:
        notes.add("corrupt_packets", f"{trouble.packets} packets could not be decoded")
    if trouble.demuxer:
        notes.add("demux_error", f"after {trouble.reached} samples: {trouble.demuxer}")
        yield from _rest(file, trouble.reached)


@dataclass(slots=True)
class _Trouble:
    """What went wrong on the way, and how many samples came before it."""

    packets: int = 0
    demuxer: Exception | None = None
    reached: int = 0


def _frames(container: av.container.InputContainer, trouble: _Trouble) -> Iterator[Chunk]:
    stream = container.streams.audio[0]
    stream.codec_context.thread_count = 1
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError as error:  # the demuxer cannot go on after its own error
            trouble.demuxer = error
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            trouble.packets += 1
            continue
        for frame in frames:
            trouble.reached += frame.samples
            yield _floats(frame)


def _gathered(frames: Iterator[Chunk]) -> Iterator[Chunk]:
    """Frames are a few milliseconds long: what follows works on seconds."""
    held: list[Chunk] = []
    samples = 0
    for frame in frames:
        if held and (samples >= CHUNK_SAMPLES or not _alike(held[0], frame)):
            yield _joined(held)
            held, samples = [], 0
        held.append(frame)
        samples += frame.samples.shape[1]
    if held:
        yield _joined(held)


def _rest(file: BinaryIO, reached: int) -> Iterator[Chunk]:
    """What libsndfile still finds after the sample where FFmpeg gave up; it does not know every format."""
    try:
        yield from _decode_sndfile(file, reached)
    except soundfile.LibsndfileError:
        return


def _decode_sndfile(file: BinaryIO, start: int) -> Iterator[Chunk]:
    file.seek(0)
    with soundfile.SoundFile(file) as sound:
        if start:
            if start >= sound.frames:
                return
            sound.seek(start)
        while len(block := sound.read(CHUNK_SAMPLES, dtype="float32", always_2d=True)):
            yield Chunk(np.ascontiguousarray(block.T), sound.samplerate)


def demuxed_samples(file: BinaryIO) -> int:
    """Samples that the packets hold, whatever the header states; nothing is decoded."""
    with opened(file) as container:
        stream = container.streams.audio[0]
        samples = stream.time_base * stream.codec_context.sample_rate
        return int(sum(packet.duration or 0 for packet in container.demux(stream)) * samples)


def _floats(frame: av.AudioFrame) -> Chunk:
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.float32) - 128) / 128
    elif samples.dtype.kind == "i":
        samples = samples.astype(np.float32) / np.float32(-float(np.iinfo(samples.dtype).min))
    return Chunk(samples.astype(np.float32, copy=False), frame.sample_rate)


def _alike(one: Chunk, other: Chunk) -> bool:
    return one.rate == other.rate and len(one.samples) == len(other.samples)


def _joined(chunks: list[Chunk]) -> Chunk:
    return Chunk(np.concatenate([chunk.samples for chunk in chunks], axis=1), chunks[0].rate)


def _skip(chunks: Iterator[Chunk], samples: int) -> Iterator[Chunk]:
    for chunk in chunks:
        here = chunk.samples[:, samples:]
        samples = max(0, samples - chunk.samples.shape[1])
        if here.shape[1]:
            yield Chunk(here, chunk.rate)
            yield from chunks
            return
