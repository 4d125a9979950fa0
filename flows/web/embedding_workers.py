"""Processes that embed uploads. One that dies or takes too long is replaced; the service goes on."""

import json
import multiprocessing
import queue
import threading
import time
from contextlib import suppress
from typing import Any

import numpy as np

from flows.web.embedding_process import run
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.settings import Settings

SECONDS = 120.0  # that a file may take
_ANSWER_BYTES = 1 << 20
DIED = "its decoder died: the file is damaged or hostile; convert it to WAV or MP3"


class EmbeddingWorker:
    """One process. It starts with its first file, and keeps its encoder. One thread uses it at a time."""

    def __init__(self, settings: Settings, seconds: float = SECONDS) -> None:
        self._settings, self._seconds = settings, seconds
        self.process: multiprocessing.process.BaseProcess | None = None

    def embed(self, data: bytes, spec: EncoderSpec) -> tuple[float, np.ndarray]:
        """Return the seconds of an audio file and its unit vector, float32 [dim].

        Raises UserError if it cannot be embedded, if its decoder dies, or if it takes too long.
        """
        answer = self._ask(data, spec)
        if error := answer.get("error"):
            raise UserError(str(error))
        vector = np.asarray(answer["vector"], np.float32)
        if vector.shape != (spec.head.dim,) or not np.isfinite(vector).all():
            raise UserError(DIED)
        return float(answer["seconds"]), vector

    def warm(self, spec: EncoderSpec) -> None:
        """Load an encoder. Raises UserError if it cannot be loaded."""
        if error := self._ask(b"", spec).get("error"):
            raise UserError(str(error))

    def stop(self) -> None:
        """End the process, whatever it does. Any thread may do so."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.join()
            self._connection.close()

    def _ask(self, data: bytes, spec: EncoderSpec) -> dict[str, Any]:
        process = self._start()
        ends_at = time.monotonic() + self._seconds
        watch = threading.Timer(self._seconds, process.kill)  # a process that hangs may not even take its file
        watch.start()
        try:
            self._connection.send(spec)
            self._connection.send_bytes(data)
            answer: dict[str, Any] = json.loads(self._connection.recv_bytes(_ANSWER_BYTES))
        except (EOFError, OSError, ValueError) as error:
            self.stop()
            slow = f"it takes longer than {self._seconds:.0f} s to be embedded: send a shorter part of it"
            raise UserError(slow if time.monotonic() >= ends_at else DIED) from error
        finally:
            watch.cancel()
        return answer

    def _start(self) -> multiprocessing.process.BaseProcess:
        if self.process is not None and self.process.is_alive():
            return self.process
        self.stop()
        context = multiprocessing.get_context("spawn")  # Lance's threads do not survive a fork
        self._connection, other_end = context.Pipe()
        process = context.Process(target=run, args=(other_end, self._settings), name="uploads", daemon=True)
        self.process = process
        process.start()
        other_end.close()
        return process


class EmbeddingWorkers:
    """So many processes, which are given to threads in turn."""

    def __init__(self, settings: Settings, count: int, seconds: float = SECONDS) -> None:
        self.all = [EmbeddingWorker(settings, seconds) for _ in range(count)]
        self._free: queue.LifoQueue[EmbeddingWorker] = queue.LifoQueue()
        for worker in reversed(self.all):
            self._free.put(worker)

    def embed(self, data: bytes, spec: EncoderSpec) -> tuple[float, np.ndarray]:
        """Embed a file as EmbeddingWorker does. The process that was used last is used first: it is warm."""
        worker = self._free.get()
        try:
            return worker.embed(data, spec)
        finally:
            self._free.put(worker)

    def warm(self, spec: EncoderSpec) -> None:
        """Let one process load an encoder. Raises UserError if it cannot."""
        worker = self._free.get()
        try:
            worker.warm(spec)
        finally:
            self._free.put(worker)

    def stop(self) -> None:
        """End all processes."""
        for worker in self.all:
            with suppress(Exception):
                worker.stop()
