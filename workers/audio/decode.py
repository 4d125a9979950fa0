"""Decoding: a file to chunks of float32 audio at the source's own rate.

Memory does not grow with the length. FFmpeg (PyAV) decodes. libsndfile decodes FLAC first, because it notices damage
that FFmpeg returns as noise, and goes on where FFmpeg's demuxer gives up.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

import av
import numpy as np
import soundfile

from workers.audio.container import open_container, open_with_ffmpeg
from workers.audio.verdicts import AudioInspector

CHUNK_SAMPLES = 1 << 17


@dataclass(frozen=True, slots=True)
class Chunk:
    """float32 samples [channels, n] at `rate` Hz."""

    samples: np.ndarray
    rate: int


def decode(file: BinaryIO, inspector: AudioInspector) -> Iterator[Chunk]:
    """Yield all audio of a file in order.

    The inspector gets the verdicts on what is wrong with it. Raises Rejected if a verdict is fatal.
    """
    file.seek(0)
    head = file.read(26)
    if head[:4] == b"fLaC" and int.from_bytes(head[21:26], "big") & 0xF_FFFF_FFFF:  # libsndfile needs a stated length
        yield from _decode_flac(file, inspector)
    else:
        yield from _decode_ffmpeg(file, inspector)


def _decode_flac(file: BinaryIO, inspector: AudioInspector) -> Iterator[Chunk]:
    decoded_samples = 0
    try:
        for chunk in _decode_sndfile(file, 0):
            decoded_samples += chunk.samples.shape[1]
            yield chunk
    except soundfile.LibsndfileError as error:
        verdict = "truncated" if _ends_at_error(file, decoded_samples) else "flac_strict"
        inspector.add(verdict, f"libFLAC: {error}")
    else:
        if count_demuxed_samples(file) <= decoded_samples:  # libsndfile stops at a stated length that is too short
            return
    yield from _skip(_decode_ffmpeg(file, inspector), decoded_samples)


def _ends_at_error(file: BinaryIO, start: int) -> bool:
    """Tell whether a FLAC file ends where libFLAC fails: then it is cut off.

    `start` is a sample up to which libFLAC decodes. python-soundfile decodes one frame ahead, so that the error may
    come a frame early: nothing but this frame and the one that was cut may follow.
    """
    file.seek(10)
    frame_samples = int.from_bytes(file.read(2), "big")  # the longest frame, by the stream's header
    decoded_samples = start
    with suppress(soundfile.LibsndfileError):
        for chunk in _decode_sndfile(file, start, frame_samples):
            decoded_samples += chunk.samples.shape[1]
    return count_demuxed_samples(file) <= decoded_samples + 2 * frame_samples


def _decode_ffmpeg(file: BinaryIO, inspector: AudioInspector) -> Iterator[Chunk]:
    progress = _FfmpegProgress()
    with open_container(file, inspector) as container:
        yield from _join_frames(_decode_frames(container, progress))
    if progress.bad_packets:
        inspector.add("corrupt_packets", f"{progress.bad_packets} packets could not be decoded")
    if progress.demuxer_error:
        inspector.add("demux_error", f"after {progress.decoded_samples} samples: {progress.demuxer_error}")
        yield from _decode_rest(file, progress.decoded_samples)


@dataclass(slots=True)
class _FfmpegProgress:
    """How many samples FFmpeg decoded, and the errors on the way."""

    bad_packets: int = 0
    demuxer_error: Exception | None = None
    decoded_samples: int = 0


def _decode_frames(container: av.container.InputContainer, progress: _FfmpegProgress) -> Iterator[Chunk]:
    stream = container.streams.audio[0]
    stream.codec_context.thread_count = 1
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError as error:  # the demuxer cannot go on after its own error
            progress.demuxer_error = error
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            progress.bad_packets += 1
            continue
        for frame in frames:
            progress.decoded_samples += frame.samples
            yield _to_chunk(frame)


def _join_frames(frames: Iterator[Chunk]) -> Iterator[Chunk]:
    """Join frames, which are a few milliseconds long, to chunks of seconds."""
    waiting: list[Chunk] = []
    samples = 0
    for frame in frames:
        if waiting and (samples >= CHUNK_SAMPLES or not _have_same_format(waiting[0], frame)):
            yield _concatenate(waiting)
            waiting, samples = [], 0
        waiting.append(frame)
        samples += frame.samples.shape[1]
    if waiting:
        yield _concatenate(waiting)


def _decode_rest(file: BinaryIO, start: int) -> Iterator[Chunk]:
    """Decode with libsndfile from the sample where FFmpeg gave up.

    libsndfile does not know every format.
    """
    try:
        yield from _decode_sndfile(file, start)
    except soundfile.LibsndfileError:
        return


def _decode_sndfile(file: BinaryIO, start: int, chunk_samples: int = CHUNK_SAMPLES) -> Iterator[Chunk]:
    file.seek(0)
    with soundfile.SoundFile(file) as sound:
        if start:
            if start >= sound.frames:
                return
            sound.seek(start)
        while len(block := sound.read(chunk_samples, dtype="float32", always_2d=True)):
            yield Chunk(np.ascontiguousarray(block.T), sound.samplerate)


def count_demuxed_samples(file: BinaryIO) -> int:
    """Count the samples in a file's packets, whatever its header states, without decoding."""
    with open_with_ffmpeg(file) as container:
        stream = container.streams.audio[0]
        samples_per_tick = stream.time_base * stream.codec_context.sample_rate
        return int(sum(packet.duration or 0 for packet in container.demux(stream)) * samples_per_tick)


def _to_chunk(frame: av.AudioFrame) -> Chunk:
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.float32) - 128) / 128
    elif samples.dtype.kind == "i":
        samples = samples.astype(np.float32) / np.float32(-float(np.iinfo(samples.dtype).min))
    return Chunk(samples.astype(np.float32, copy=False), frame.sample_rate)


def _have_same_format(left: Chunk, right: Chunk) -> bool:
    return left.rate == right.rate and len(left.samples) == len(right.samples)


def _concatenate(chunks: list[Chunk]) -> Chunk:
    return Chunk(np.concatenate([chunk.samples for chunk in chunks], axis=1), chunks[0].rate)


def _skip(chunks: Iterator[Chunk], samples: int) -> Iterator[Chunk]:
    """Drop the first samples of the chunks."""
    for chunk in chunks:
        rest = chunk.samples[:, samples:]
        samples = max(0, samples - chunk.samples.shape[1])
        if rest.shape[1]:
            yield Chunk(rest, chunk.rate)
            yield from chunks
            return
