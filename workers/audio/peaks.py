"""Peaks: the levels over the length of a track, of which a waveform is drawn."""

from typing import BinaryIO

import av
import numpy as np

from schemas.audio import ACCEPTABLE
from workers.audio.container import open_with_ffmpeg
from workers.audio.decode import decode
from workers.audio.transcode import decode_packets
from workers.audio.verdicts import AudioInspector, Rejected

COUNT = 1000
_BLOCK = 1024  # samples
_WHOLE_SECONDS = 300.0  # a longer file is not decoded whole
_SAMPLE_SECONDS = 0.08  # that are decoded for each peak of a longer file


def read_peaks(file: BinaryIO, seconds: float, count: int = COUNT) -> np.ndarray:
    """Return the highest level in each of `count` equal parts of an open file.

    That is float32 [count], from 0 to 1. Of a file longer than 5 minutes, only the beginning of each part is decoded.
    A damaged file has zeros where nothing can be decoded. Raises FFmpegError or Rejected if FFmpeg does not know the
    format.
    """
    levels = _sample_levels(file, seconds, count) if seconds > _WHOLE_SECONDS else _block_levels(file)
    if not len(levels):
        return np.zeros(count, np.float32)
    edges = np.linspace(0, len(levels), count + 1).astype(int)[:-1]
    peaks: np.ndarray = np.maximum.reduceat(levels, np.minimum(edges, len(levels) - 1))
    return np.nan_to_num(peaks, nan=0.0, posinf=1.0).clip(0, 1).astype(np.float32)


def _block_levels(file: BinaryIO) -> np.ndarray:
    """Return the highest level of each block of samples, float32 [blocks]."""
    levels = [np.zeros(0, np.float32)]
    try:
        for chunk in decode(file, AudioInspector(ACCEPTABLE)):
            loudest = np.abs(chunk.samples).max(axis=0)
            starts = np.arange(0, len(loudest), max(1, _BLOCK * chunk.rate // 44_100))
            levels.append(np.maximum.reduceat(loudest, starts))
    except Rejected:
        if len(levels) == 1:
            raise
    return np.concatenate(levels)


def _sample_levels(file: BinaryIO, seconds: float, count: int) -> np.ndarray:
    """Return the highest level at the beginning of each part, float32 [count]."""
    levels = np.zeros(count, np.float32)
    with open_with_ffmpeg(file) as container:
        stream = container.streams.audio[0]
        stream.codec_context.thread_count = 1
        offset = stream.start_time or 0
        for index in range(count):
            try:
                container.seek(offset + int(index * seconds / count / stream.time_base), stream=stream)
            except av.error.FFmpegError:
                continue
            left = _SAMPLE_SECONDS
            for frame in decode_packets(container, stream):
                levels[index] = max(levels[index], _level(frame))
                left -= frame.samples / frame.sample_rate
                if left <= 0:
                    break
    return levels


def _level(frame: av.AudioFrame) -> float:
    samples = frame.to_ndarray()
    if samples.dtype == np.uint8:
        return float(np.abs(samples.astype(np.int16) - 128).max(initial=0)) / 128
    if samples.dtype.kind == "i":
        return float(np.abs(samples.astype(np.float32)).max(initial=0)) / -float(np.iinfo(samples.dtype).min)
    return float(np.abs(samples).max(initial=0))
