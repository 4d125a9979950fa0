"""Long answers: sent piece by piece, so many at once, and ended with their client.

A slow client costs no thread: a thread works only while it makes a piece.
"""

import logging
import math
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager

import anyio
import av
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import checkpoint
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from flows.web.problems import problem

STALLED_SECONDS = 5.0  # after which a stream whose client takes nothing may be ended for another one
_WAITS_NOT = math.inf
_FAULTS_OF_FILES = (OSError, LookupError, av.error.FFmpegError)  # LookupError: a file without audio
_LOG = logging.getLogger(__name__)
_TOO_MANY = problem(429, "Too Many Requests", "too many streams at once: try again", {"Retry-After": "2"})
_UNREADABLE = problem(410, "Gone", "the file cannot be read, or has changed: run `tonelake refresh`")


class Streams:
    """So many streams of a kind at once; `threads` make their pieces.

    If there are too many, the one ends whose client has taken nothing for the longest time: players that pause do so,
    and ask again for the rest when they go on. One whose piece is being made holds a thread, and goes on. Used on the
    event loop only.
    """

    def __init__(self, at_once: int, threads: int) -> None:
        self._at_once = at_once
        self.limiter = CapacityLimiter(threads)
        self.running: list[StreamedResponse] = []

    def enter(self, stream: "StreamedResponse") -> bool:
        """Let a stream begin; return False if there are too many and none is stalled."""
        if len(self.running) >= self._at_once:
            since = time.monotonic() - STALLED_SECONDS
            waiting = [running for running in self.running if running.waits_since <= since]
            if not waiting:
                return False
            stalled = min(waiting, key=lambda running: running.waits_since)
            self.leave(stalled)
            stalled.cancel()
        self.running.append(stream)
        return True

    def stop(self) -> None:
        """End all streams where they are."""
        for stream in list(self.running):
            stream.cancel()

    def leave(self, stream: "StreamedResponse") -> None:
        """Let a stream end."""
        if stream in self.running:
            self.running.remove(stream)


class StreamedResponse(Response):
    """An answer of known length whose pieces are made by a generator. `source` is closed with it, whatever happens.

    `pieces` is called in a thread, and so is the generator. An error in the middle ends the connection: the client
    sees that bytes are missing.
    """

    def __init__(
        self,
        status: int,
        headers: dict[str, str],
        pieces: Callable[[], Generator[bytes]],
        source: AbstractContextManager[object],
        streams: Streams,
    ) -> None:
        super().__init__(status_code=status, headers=headers)
        self._pieces, self._source, self._streams = pieces, source, streams
        self.scope: anyio.CancelScope | None = None  # from its beginning on
        self.waits_since = _WAITS_NOT  # for its client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer as an ASGI application."""
        iterator = self._pieces()
        try:
            if not self._streams.enter(self):
                await _TOO_MANY(scope, receive, send)
                return
            refusal: Response | None = _TOO_MANY  # if it is ended before its first piece is made
            with anyio.CancelScope() as self.scope:
                try:
                    first = await to_thread.run_sync(next, iterator, b"", limiter=self._streams.limiter)
                    await checkpoint()  # it ends here if it was ended meanwhile
                    refusal = None
                except _FAULTS_OF_FILES as error:
                    _LOG.warning("a file cannot be sent: %s", error)
                    refusal = _UNREADABLE
                else:
                    async with anyio.create_task_group() as group:
                        group.start_soon(_wait_for_disconnect, receive, self.cancel)
                        await self._send(first, iterator, send)
                        self.cancel()
            if refusal is not None:
                await refusal(scope, receive, send)
        finally:
            self._streams.leave(self)
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(iterator.close)
                await to_thread.run_sync(self._source.__exit__, None, None, None)

    async def _send(self, piece: bytes, iterator: Generator[bytes], send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            while piece:
                self.waits_since = time.monotonic()
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                self.waits_since = _WAITS_NOT
                piece = await to_thread.run_sync(next, iterator, b"", limiter=self._streams.limiter)
        except Exception as error:  # a file that changed, a store that fails: it is too late for another answer
            _LOG.warning("a stream ended before its end: %s", error)
        else:
            await send({"type": "http.response.body", "body": b""})

    def cancel(self) -> None:
        """End the stream where it is."""
        if self.scope is not None:
            self.scope.cancel()


async def _wait_for_disconnect(receive: Receive, cancel: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    cancel()
