"""/audio/TRACK: the audio of a track, as its file or as MP3.

What every browser plays is sent as it lies in its source, byte for byte. The rest is transcoded on the way.
"""

from collections.abc import Generator
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from flows.web.answers import is_known
from flows.web.dependencies import ReadersOf, of_state
from flows.web.problems import RESPONSES, describe_problems, problem
from flows.web.ranges import Unsatisfiable, requested_range
from flows.web.streams import StreamedResponse, Streams
from flows.web.track_files import OpenFile, TrackFiles
from schemas.settings import Settings
from workers.audio.transcode import count_bytes, transcode

router = APIRouter(tags=["audio"])
TrackId = Annotated[str, Path(max_length=500)]

_PIECE_BYTES = 256 << 10
_MP3 = "audio/mpeg"
_TYPES = (_MP3, "audio/ogg", "audio/webm", "audio/flac", "audio/mp4", "audio/wav")
ERRORS = RESPONSES | describe_problems({410: "The file has changed, is missing or cannot be read"})
_ANSWERS = {
    200: {"description": "The whole audio", "content": {name: {} for name in _TYPES}},
    206: {"description": "The part that Range names", "content": {name: {} for name in _TYPES}},
    304: {"description": "The client has it"},
    **describe_problems({416: "The part begins behind the end"}),
}
_PCM = frozenset({"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le"})


class Audio:
    """The files of the lake's tracks, and the streams that run. The routes share it."""

    def __init__(self, settings: Settings, transcodings: int = 4, files: int = 64) -> None:
        self.files = TrackFiles(settings)
        self.transcoded = Streams(transcodings, threads=2)
        self.plain = Streams(files, threads=4)

    def stop(self) -> None:
        """End all streams: a service that stops would wait for them. Called on the event loop."""
        self.transcoded.stop()
        self.plain.stop()


AudioOf = Annotated[Audio, of_state("audio")]


@router.head("/audio/{track_id:path}", response_class=Response, responses=ERRORS | _ANSWERS)
@router.get("/audio/{track_id:path}", response_class=Response, responses=ERRORS | _ANSWERS)
def play(track_id: TrackId, request: Request, readers: ReadersOf, audio: AudioOf, mp3: bool = False) -> Response:
    """Play a track: its file, or MP3 if browsers do not play that.

    `mp3` asks for MP3 in any case. Ranges are answered.
    """
    opened = audio.files.open(audio.files.find(readers.current().spec, track_id))
    try:
        media_type = None if mp3 else browser_type(opened.head, opened.track.codec)
        response = _answer(request, opened, media_type, audio)
    except BaseException:
        opened.file.close()
        raise
    if not isinstance(response, StreamedResponse):
        opened.file.close()
    return response


def browser_type(head: bytes, codec: str | None) -> str | None:
    """Return the media type of a file by its first 64 bytes and its codec.

    None if not every browser plays it.
    """
    if codec in ("mp3", "mp3float") and (head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")):
        return _MP3
    if codec in ("vorbis", "opus") and head[:4] == b"OggS":
        return "audio/ogg"
    if codec in ("vorbis", "opus") and head[:4] == b"\x1a\x45\xdf\xa3" and b"webm" in head:
        return "audio/webm"
    if codec == "flac" and head[:4] == b"fLaC":
        return "audio/flac"
    if codec == "aac" and head[4:8] == b"ftyp" and head[8:12] != b"qt  ":
        return "audio/mp4"
    is_stereo = head[12:16] == b"fmt " and int.from_bytes(head[22:24], "little") <= 2
    if codec in _PCM and head[:4] == b"RIFF" and head[8:12] == b"WAVE" and is_stereo:
        return "audio/wav"
    return None


def _answer(request: Request, opened: OpenFile, media_type: str | None, audio: Audio) -> Response:
    size = opened.size if media_type else count_bytes(opened.track.seconds)
    etag = f'"{opened.track.content_sha256[:32]}{"" if media_type else "-mp3"}"'
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",  # asked again each time: a takedown counts at once
        "Content-Type": media_type or _MP3,
        "ETag": etag,
    }
    if is_known(request, etag):
        return Response(status_code=304, headers=headers)
    try:
        part = requested_range(request.headers, size, etag)
    except Unsatisfiable:
        detail = f"the audio has {size:,} bytes: ask for others"
        return problem(416, "Range Not Satisfiable", detail, {"Content-Range": f"bytes */{size}"})
    start, stop = part or (0, size)
    headers["Content-Length"] = str(stop - start)
    if part:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    status = 206 if part else 200
    if request.method == "HEAD" or not size:
        return Response(status_code=status, headers=headers)
    if media_type:
        return StreamedResponse(status, headers, lambda: read_pieces(opened, start, stop), opened.file, audio.plain)
    pieces = lambda: _transcode_unchanged(opened, start, stop)  # noqa: E731
    return StreamedResponse(status, headers, pieces, opened.file, audio.transcoded)


def read_pieces(opened: OpenFile, start: int, stop: int) -> Generator[bytes]:
    """Yield the bytes of an open file. Raises OSError if it changes meanwhile."""
    while start < stop:
        opened.file.seek(start)
        piece = opened.file.read(min(_PIECE_BYTES, stop - start))
        if not piece or not opened.is_unchanged():
            raise OSError(f"the file of {opened.track.track_id} has changed")
        start += len(piece)
        yield piece


def _transcode_unchanged(opened: OpenFile, start: int, stop: int) -> Generator[bytes]:
    for piece in transcode(opened.file, start, stop):
        if not opened.is_unchanged():
            raise OSError(f"the file of {opened.track.track_id} has changed")
        yield piece
