"""/peaks/TRACK: the waveform of a track, kept in memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated

import av
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from flows.web.answers import is_known
from flows.web.audio import ERRORS, AudioOf, TrackId
from flows.web.dependencies import ReadersOf, of_state
from flows.web.problems import Busy, problem
from flows.web.track_files import OpenFile
from workers.audio.peaks import read_peaks
from workers.audio.verdicts import Rejected

router = APIRouter(tags=["audio"])


class Peaks(BaseModel):
    """Levels from 0 to 1 over the length of a track."""

    seconds: float
    peaks: list[float]


class PeaksCache:
    """The peaks of contents, the last `kept` that were asked for, some 8 kB each. Nothing is written to a disk."""

    def __init__(self, kept: int = 4000, at_once: int = 2, waiting: int = 64) -> None:
        self._kept, self._waiting = kept, waiting
        self._peaks: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()
        self.limiter = CapacityLimiter(at_once)

    def find(self, content: str) -> list[float] | None:
        """Return the peaks of a content if they are kept."""
        with self._lock:
            if content in self._peaks:
                self._peaks.move_to_end(content)
            return self._peaks.get(content)

    def require_room(self) -> None:
        """Raise Busy if too many wait already."""
        if self.limiter.statistics().tasks_waiting >= self._waiting:
            raise Busy("too many waveforms are being drawn: try again")

    def compute(self, content: str, read: Callable[[], list[float]]) -> list[float]:
        """Return the peaks of a content; read them unless somebody else did so meanwhile."""
        peaks = self.find(content)
        if peaks is None:
            peaks = read()
            with self._lock:
                self._peaks[content] = peaks
                while len(self._peaks) > self._kept:
                    self._peaks.popitem(last=False)
        return peaks


PeaksOf = Annotated[PeaksCache, of_state("peaks")]


@router.get(
    "/peaks/{track_id:path}", response_model=Peaks, responses=ERRORS | {304: {"description": "The client has it"}}
)
async def read(track_id: TrackId, request: Request, readers: ReadersOf, audio: AudioOf, cache: PeaksOf) -> Response:
    """Return about 1,000 levels from 0 to 1 over the length of a track, and its seconds."""
    track = await to_thread.run_sync(lambda: audio.files.find(readers.current().spec, track_id))
    content, etag = track.content_sha256, f'"{track.content_sha256[:32]}-peaks"'
    headers = {"Cache-Control": "private, no-cache", "ETag": etag}
    if is_known(request, etag):
        return Response(status_code=304, headers=headers)
    levels = cache.find(content)
    if levels is None:
        cache.require_room()

        def draw() -> list[float]:
            opened = audio.files.open(track)
            with opened.file:
                return _read(opened)

        try:
            levels = await to_thread.run_sync(cache.compute, content, draw, limiter=cache.limiter)
        except (av.error.FFmpegError, Rejected):
            return problem(422, "Unprocessable Content", f"{track_id!r}: its audio cannot be decoded")
    return JSONResponse({"seconds": round(track.seconds, 3), "peaks": levels}, headers=headers)


def _read(opened: OpenFile) -> list[float]:
    levels = read_peaks(opened.file, opened.track.seconds)
    return [round(float(level), 3) for level in levels]
