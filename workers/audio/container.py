"""What a container says of itself before anything is decoded: its streams, its length, whether its end is there."""

from typing import BinaryIO

import av

from schemas.audio import MAX_SECONDS
from workers.audio.verdicts import Notes, Rejected

# Containers whose header states the length. Of the others FFmpeg only guesses it, from the bit rate.
_STATED_LENGTH = {"wav", "w64", "aiff", "flac", "ogg", "asf", "wv", "caf", "ape", "tta", "matroska,webm"}
_MP3_LENGTH_MARKS = (b"Xing", b"Info", b"VBRI")
# A playlist or script is "audio" to FFmpeg as well: it must open no other file and no connection for one.
_ONLY_THIS_FILE = {"protocol_whitelist": ""}


def open_container(file: BinaryIO, notes: Notes) -> av.container.InputContainer:
    """Opens with FFmpeg; Rejected as unrecognised where it knows no such format."""
    try:
        return opened(file)
    except av.error.FFmpegError as error:
        notes.add("unrecognised", f"FFmpeg: {error.strerror}")
        raise Rejected("unrecognised", "nothing to decode") from error


def opened(file: BinaryIO) -> av.container.InputContainer:
    """The file's container; FFmpegError where it is none, or one that refers to other files."""
    file.seek(0)
    return av.open(file, metadata_errors="replace", options=_ONLY_THIS_FILE)


def declared_seconds(file: BinaryIO, notes: Notes) -> float | None:
    """The length that the container states, None where it states none; opens the file and so finds what is no audio.

    The length of an Ogg stream is the time of its last page, so one that was cut off states less; but the true last
    page is marked.
    """
    with open_container(file, notes) as container:
        if not container.streams.audio:
            notes.add("no_audio_stream", f"{container.format.name} without audio")
            raise Rejected("no_audio_stream", "nothing to decode")
        if len(container.streams.audio) > 1:
            notes.add("multi_stream", f"{len(container.streams.audio)} audio streams; the first is used")
        stream, name = container.streams.audio[0], container.format.name
        if stream.codec_context is None:
            raise Rejected("unrecognised", "FFmpeg has no decoder for the audio stream")
        notes.codec = stream.codec_context.name
        seconds = _stream_seconds(container, stream)
    if name == "wav":
        seconds = _wav_seconds(file)
    if seconds and seconds > MAX_SECONDS:
        notes.add("too_long", f"{seconds / 3600:.1f} h")
    if name == "ogg" and not _ogg_is_ended(file):
        notes.add("truncated", "the last page of the stream is missing")
    stated = name in _STATED_LENGTH or "mp4" in name or (name == "mp3" and _mp3_states_length(file))
    return seconds if stated else None


def _stream_seconds(container: av.container.InputContainer, stream: av.AudioStream) -> float | None:
    """Of the audio: a container with a film states the longer of the two."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration and not container.streams.video else None


def _mp3_states_length(file: BinaryIO) -> bool:
    """A Xing, Info or VBRI mark stands in the first frame, which follows the ID3 tag."""
    file.seek(0)
    head = file.read(10)
    size = 0
    if head[:3] == b"ID3":
        size = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    file.seek(size)
    start = file.read(4096)
    return any(mark in start for mark in _MP3_LENGTH_MARKS)


def _wav_seconds(file: BinaryIO) -> float | None:
    """The length stated by a wav's own header; FFmpeg believes the file's size. None where a pipe stated none."""
    file.seek(12)
    bytes_a_second = 0
    while len(head := file.read(8)) == 8:
        name, size = head[:4], int.from_bytes(head[4:], "little")
        if name == b"data":
            return size / bytes_a_second if bytes_a_second and size not in (0, 0xFFFF_FFFF) else None
        if name == b"fmt ":
            bytes_a_second = int.from_bytes(file.read(12)[8:], "little")
            size -= 12
        file.seek(size + size % 2, 1)
    return None


def _ogg_is_ended(file: BinaryIO) -> bool:
    """The end-of-stream flag is set in the header of the last page, within its greatest size of the file's end."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 65_536))
    tail = file.read()
    page = tail.rfind(b"OggS")
    return page >= 0 and len(tail) > page + 5 and bool(tail[page + 5] & 4)
