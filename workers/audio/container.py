"""What a container states before decoding: its streams, its length and its end."""

import re
from typing import BinaryIO

import av

from schemas.audio import MAX_SECONDS
from workers.audio.verdicts import AudioInspector, Rejected

# Containers whose header states the length. For the others FFmpeg estimates it from the bit rate.
_STATE_LENGTH = {"wav", "w64", "aiff", "flac", "ogg", "asf", "wv", "caf", "ape", "tta", "matroska,webm"}
_MP3_LENGTH_MARKS = (b"Xing", b"Info", b"VBRI")
# FFmpeg also plays playlists and scripts. They must not open any other file or connection.
_ONLY_THIS_FILE = {"protocol_whitelist": ""}
_DURATION_TAG = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")
_MAX_OGG_PAGE_BYTES = 65_536
_UNKNOWN_WAV_SIZES = (0, 0xFFFF_FFFF)  # written by programs that do not know the length in advance


def open_container(file: BinaryIO, inspector: AudioInspector) -> av.container.InputContainer:
    """Open a file with FFmpeg. Raises Rejected("unrecognised") if FFmpeg does not know its format."""
    try:
        return open_with_ffmpeg(file)
    except av.error.FFmpegError as error:
        inspector.add("unrecognised", f"FFmpeg: {error.strerror}")
        raise Rejected("unrecognised", "nothing to decode") from error


def open_with_ffmpeg(file: BinaryIO) -> av.container.InputContainer:
    """Open a file with FFmpeg. Raises FFmpegError if it is no audio or video, or refers to other files."""
    file.seek(0)
    return av.open(file, metadata_errors="replace", options=_ONLY_THIS_FILE)


def read_declared_seconds(file: BinaryIO, inspector: AudioInspector) -> float | None:
    """Return the length that the container states, or None if it states none.

    The length of an Ogg stream is the time of its last page. A stream that was cut off states less, but its last page
    lacks the mark of the end, which is checked here.
    Raises Rejected if the file holds no audio that can be decoded.
    """
    with open_container(file, inspector) as container:
        if not container.streams.audio:
            inspector.add("no_audio_stream", f"{container.format.name} without audio")
            raise Rejected("no_audio_stream", "nothing to decode")
        if len(container.streams.audio) > 1:
            inspector.add("multi_stream", f"{len(container.streams.audio)} audio streams; the first is used")
        stream, container_format = container.streams.audio[0], container.format.name
        if stream.codec_context is None:
            raise Rejected("unrecognised", "FFmpeg has no decoder for the audio stream")
        inspector.codec = stream.codec_context.name
        seconds = _stream_seconds(container, stream)
    if container_format == "wav":
        seconds = _read_wav_seconds(file)
    if seconds and seconds > MAX_SECONDS:
        inspector.add("too_long", f"{seconds / 3600:.1f} h")
    if container_format == "ogg" and not _has_ogg_end(file):
        inspector.add("truncated", "the last page of the stream is missing")
    return seconds if _states_length(container_format, file) else None


def _states_length(container_format: str, file: BinaryIO) -> bool:
    if container_format == "mp3":
        return _mp3_states_length(file)
    return container_format in _STATE_LENGTH or "mp4" in container_format


def _stream_seconds(container: av.container.InputContainer, stream: av.AudioStream) -> float | None:
    """Return the length of the audio stream.

    The length of a container with video is that of the longer stream, so it is not used. Matroska keeps the length of
    a stream as a tag, 00:03:12.5.
    """
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if match := _DURATION_TAG.fullmatch(stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = map(float, match.groups())
        return 3600 * hours + 60 * minutes + seconds
    return container.duration / av.time_base if container.duration and not container.streams.video else None


def _mp3_states_length(file: BinaryIO) -> bool:
    """Look for a Xing, Info or VBRI mark in the first frame.

    The first frame follows the ID3 tag.
    """
    file.seek(0)
    header = file.read(10)
    tag_bytes = 0
    if header[:3] == b"ID3":
        tag_bytes = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(header[6:10], (21, 14, 7, 0), strict=True))
    file.seek(tag_bytes)
    first_frame = file.read(4096)
    return any(mark in first_frame for mark in _MP3_LENGTH_MARKS)


def _read_wav_seconds(file: BinaryIO) -> float | None:
    """Return the length in a WAV file's header, or None if it states none. FFmpeg trusts the file's size instead."""
    file.seek(12)
    bytes_per_second = 0
    while len(header := file.read(8)) == 8:
        chunk, size = header[:4], int.from_bytes(header[4:], "little")
        if chunk == b"data":
            return size / bytes_per_second if bytes_per_second and size not in _UNKNOWN_WAV_SIZES else None
        if chunk == b"fmt ":
            bytes_per_second = int.from_bytes(file.read(12)[8:], "little")
            size -= 12
        file.seek(size + size % 2, 1)
    return None


def _has_ogg_end(file: BinaryIO) -> bool:
    """Check that the last page has the end-of-stream flag.

    That page starts at most one page size before the end of the file.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - _MAX_OGG_PAGE_BYTES))
    tail = file.read()
    page = tail.rfind(b"OggS")
    return page >= 0 and len(tail) > page + 5 and bool(tail[page + 5] & 4)
