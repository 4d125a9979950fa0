"""Transcoding to MP3 of a constant bit rate, from any frame of it.

Every browser plays MP3. Without a bit reservoir each frame has equal bytes and seconds: so the length is known before
anything is decoded, and a request for bytes in the middle is one for a time.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import BinaryIO

import av
import numpy as np

from workers.audio.container import open_with_ffmpeg

RATE = 48_000
BIT_RATE = 160_000
FRAME_SAMPLES = 1152
FRAME_BYTES = BIT_RATE // 8 * FRAME_SAMPLES // RATE
FRAME_SECONDS = FRAME_SAMPLES / RATE
_WARM_UP = 4  # frames that are encoded and left out: a frame depends on the samples before it
_BLOCK_FRAMES = 64  # about 31 kB and 1.5 s
_OPTIONS = {"reservoir": "0", "compression_level": "7"}  # 7: in half the time of the default, 5


def count_bytes(seconds: float) -> int:
    """Return the bytes of so many seconds as MP3. The last frame holds what the encoder delays."""
    return (int(np.ceil(seconds / FRAME_SECONDS)) + 1) * FRAME_BYTES


def transcode(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    """Yield the bytes from `start` to `stop` of an open file as MP3, in blocks.

    After its end a file has silence, so that the bytes are as many as `count_bytes` said. Raises FFmpegError if the
    file cannot be decoded at all.
    """
    first = start // FRAME_BYTES
    count = (stop - 1) // FRAME_BYTES + 1 - first
    warm_up = min(first, _WARM_UP)
    with open_with_ffmpeg(file) as container:
        pieces = _decode_from(container, (first - warm_up) * FRAME_SECONDS)
        packets = islice(_encode(_cut(pieces)), warm_up, warm_up + count)
        skipped, left = start - first * FRAME_BYTES, stop - start
        while left and (block := b"".join(islice(packets, _BLOCK_FRAMES))):
            block = block[skipped : skipped + left]
            skipped, left = 0, left - len(block)
            yield block


def _encode(frames: Iterator[np.ndarray]) -> Iterator[bytes]:
    """Yield a packet of FRAME_BYTES for each int16 [2, FRAME_SAMPLES]."""
    encoder = av.CodecContext.create("libmp3lame", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "stereo", "s16p"
    encoder.bit_rate, encoder.options = BIT_RATE, _OPTIONS
    for index, samples in enumerate(frames):
        frame = av.AudioFrame.from_ndarray(samples, format="s16p", layout="stereo")
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        frame.pts = index * FRAME_SAMPLES
        yield from map(bytes, encoder.encode(frame))


def _cut(pieces: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Cut pieces, int16 [2, n], into frames; yield silence for ever after the last one."""
    rest = np.zeros((2, 0), np.int16)
    for piece in pieces:
        rest = np.concatenate([rest, piece], axis=1)
        while rest.shape[1] >= FRAME_SAMPLES:
            yield np.ascontiguousarray(rest[:, :FRAME_SAMPLES])
            rest = rest[:, FRAME_SAMPLES:]
    yield np.pad(rest, ((0, 0), (0, FRAME_SAMPLES - rest.shape[1])))
    while True:
        yield np.zeros((2, FRAME_SAMPLES), np.int16)


def _decode_from(container: av.container.InputContainer, start: float) -> Iterator[np.ndarray]:
    """Yield the audio from a second on as int16 [2, n] at RATE."""
    resampler, source = None, None
    for begin, frame in _frames_from(container, start):
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != source:  # a stream may change in the middle
            resampler, source = av.AudioResampler("s16p", "stereo", RATE), kind
        assert resampler is not None
        skipped = max(0, round((start - begin) * RATE))
        for resampled in resampler.resample(frame):
            yield resampled.to_ndarray()[:, skipped:]


def _frames_from(container: av.container.InputContainer, start: float) -> Iterator[tuple[float, av.AudioFrame]]:
    """Yield the frames that end after a second, each with its first second.

    Times count from the first frame: the header of some containers states an earlier one.
    """
    stream = container.streams.audio[0]
    stream.codec_context.thread_count = 1
    first = next(decode_packets(container, stream), None)
    if first is None:
        return
    offset, position = first.time or 0.0, 0.0
    if not (start and _seek(container, stream, start + offset)):
        container.seek(0)
    for frame in decode_packets(container, stream):
        begin = position if frame.time is None else frame.time - offset
        position = begin + frame.samples / frame.sample_rate
        if position > start:
            yield begin, frame


def _seek(container: av.container.InputContainer, stream: av.AudioStream, second: float) -> bool:
    """Go to a second or before it; tell whether the frames there say their time."""
    try:
        container.seek(int(second / stream.time_base), stream=stream)
        frame = next(decode_packets(container, stream), None)
        if frame is None or frame.time is None or frame.time > second:
            return False
        container.seek(int(second / stream.time_base), stream=stream)
    except av.error.FFmpegError:
        return False
    return True


def decode_packets(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    """Yield the frames of a stream from where its container stands. Damaged packets are left out."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:  # the demuxer cannot go on after its own error
            return
        if packet is None:
            return
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            continue
