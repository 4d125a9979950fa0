"""/api/v1/uploads: audio files to search by. The file is not kept; its vector is, for a while, in memory."""

import hashlib
import tempfile
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import suppress
from typing import IO, Annotated

import anyio
import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from flows.web.dependencies import ReadersOf, of_state
from flows.web.embedding_process import MAX_BYTES
from flows.web.embedding_workers import EmbeddingWorkers
from flows.web.problems import RESPONSES, Busy, describe_problems
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings

router = APIRouter(tags=["search"])
_ERRORS = RESPONSES | describe_problems({408: "The file came too slowly", 413: "The file is too large"})
_BODY = {"requestBody": {"required": True, "content": {"audio/*": {}, "multipart/form-data": {}}}}
KEPT = 1000  # vectors
BODY_SECONDS = 120.0  # that a client may take to send its file
_MULTIPART_BYTES = 64 << 10  # that the form around the file may have
_IN_MEMORY_BYTES = 1 << 20
_TOO_LARGE = HTTPException(413, f"the file has more than {MAX_BYTES >> 20} MB: send a part of it, or a smaller format")


class Upload(BaseModel):
    """A file that queries can name as `like=upload:HASH`."""

    upload: str
    seconds: float


class UploadVectors(Mapping[tuple[str, str], np.ndarray]):
    """The unit vectors of the last uploads, by (embedding_version, upload). Threads may share it."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._vectors: OrderedDict[tuple[str, str], np.ndarray] = OrderedDict()
        self._seconds: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def __getitem__(self, key: tuple[str, str]) -> np.ndarray:
        with self._lock:
            self._vectors.move_to_end(key)
            return self._vectors[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(list(self._vectors))

    def __len__(self) -> int:
        return len(self._vectors)

    def seconds(self, key: tuple[str, str]) -> float | None:
        """Return the length of an upload whose vector is kept."""
        return self._seconds.get(key)

    def add(self, key: tuple[str, str], seconds: float, vector: np.ndarray) -> None:
        """Keep a vector; the one that was used the longest time ago may go."""
        with self._lock:
            self._vectors[key], self._seconds[key] = vector, seconds
            while len(self._vectors) > self._kept:
                oldest, _ = self._vectors.popitem(last=False)
                del self._seconds[oldest]


class Uploads:
    """The uploads of a service: so many are received and embedded at once."""

    def __init__(self, settings: Settings, processes: int, at_once: int = 8) -> None:
        self.vectors = UploadVectors()
        self.workers = EmbeddingWorkers(settings, processes)
        self._limiter = CapacityLimiter(processes)
        self._at_once, self._running = at_once, 0

    async def embed(self, chunks: AsyncGenerator[bytes], content_type: str, spec: EncoderSpec) -> Upload:
        """Receive a file and embed it.

        Raises Busy if too many are under way, HTTPException if it is too large or comes too slowly, UserError if it
        cannot be embedded.
        """
        if self._running >= self._at_once:
            raise Busy("too many uploads at once: try again")
        self._running += 1
        try:
            try:
                with anyio.fail_after(BODY_SECONDS):
                    file = await receive(chunks, content_type)
            except TimeoutError as error:
                detail = f"the file did not arrive within {BODY_SECONDS:.0f} s: send a smaller one"
                raise HTTPException(408, detail) from error
            with file:
                return await to_thread.run_sync(self._embed, file, spec, limiter=self._limiter)
        finally:
            self._running -= 1

    def warm(self, spec: EncoderSpec) -> None:
        """Load an encoder before its first upload comes. What fails will fail again, and be said, then."""
        with suppress(UserError):
            self.workers.warm(spec)

    def _embed(self, file: IO[bytes], spec: EncoderSpec) -> Upload:
        file.seek(0)
        data = file.read()
        if len(data) > MAX_BYTES:  # a body without a form around it
            raise _TOO_LARGE
        if not data:
            raise UserError("the upload is empty: send the bytes of an audio file")
        # With a letter first: in `like=upload:HASH` digits alone would be a weight.
        key = spec.embedding_version, f"u{hashlib.sha256(data).hexdigest()[:31]}"
        seconds = self.vectors.seconds(key)
        if seconds is None:
            seconds, vector = self.workers.embed(data, spec)
            self.vectors.add(key, seconds, vector)
        return Upload(upload=key[1], seconds=round(seconds, 3))


@router.post("/uploads", responses=_ERRORS, openapi_extra=_BODY)
async def upload(
    request: Request,
    uploads: Annotated[Uploads, of_state("uploads")],
    readers: ReadersOf,
    encoder: Annotated[str | None, Query(max_length=200)] = None,
) -> Upload:
    """Embed an audio file, the body itself or the file of a form, of at most 64 MB and 15 minutes.

    Queries find what sounds like it with `like=upload:HASH`.
    """
    require_size(int(length) if (length := request.headers.get("content-length", "0")).isdecimal() else 0)
    reader = await to_thread.run_sync(readers.current, encoder)
    return await uploads.embed(request.stream(), request.headers.get("content-type", ""), reader.spec)


async def receive(chunks: AsyncGenerator[bytes], content_type: str) -> IO[bytes]:
    """Return the file of a request's body, open. It has no name: it ends with the process.

    Raises HTTPException if it is too large, or a form without one file.
    """
    if content_type.startswith("multipart/form-data"):
        return await _receive_form(chunks, content_type)
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 -- the caller closes it
    try:
        async for chunk in chunks:
            file.write(chunk)
            require_size(file.tell())
    except BaseException:
        file.close()
        raise
    return file


async def _receive_form(chunks: AsyncGenerator[bytes], content_type: str) -> IO[bytes]:
    headers = Headers({"content-type": content_type})
    try:
        form = await MultiPartParser(headers, _limited(chunks), max_files=1, max_fields=4).parse()
    except MultiPartException as error:
        raise HTTPException(400, f"the form cannot be read: {error.message}") from error
    sent = next((value for value in form.values() if isinstance(value, UploadFile)), None)
    if sent is None:
        raise HTTPException(400, "the form has no file: send one")
    return sent.file


def require_size(size: int) -> None:
    """Raise HTTPException 413 for a file of too many bytes."""
    if size > MAX_BYTES + _MULTIPART_BYTES:
        raise _TOO_LARGE


async def _limited(chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    size = 0
    async for chunk in chunks:
        require_size(size := size + len(chunk))
        yield chunk
