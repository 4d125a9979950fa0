"""Encoders whose packages clash with ours, or must not be imported into our process: each computes in one of its own.

Entry(SPEC, partial(Isolated, PACKAGES, Mule), None, weights=(PACKAGES, WEIGHTS), ...)

Ray can build such environments too (runtime_env pip), but does it by copying our whole virtual environment into its
session's folder: 2.8 GB and 20 s for every command and every encoder (measured, Ray 2.60). Here pip fills a folder
beside the weights once, a child process puts it before our packages, and each file is still decoded once for all.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.redaction import without_secrets
from workers.encoders.base.interface import Encoder
from workers.weights.cache import pip, unreachable, weights_folder

_PACKAGES = "packages"
_SERVE = "import sys; from workers.encoders.base.isolated import serve; serve(int(sys.argv[1]))"
_CHILD = {
    "HF_HUB_OFFLINE": "1",  # what an encoder needs was fetched and checked before
    "OMP_NUM_THREADS": "1",  # as Ray gives an actor of one core; two threads wait for each other on a busy machine
    "PYTHONWARNINGS": "ignore",
    "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1",  # whatever a package asks for, no pickle runs code
}


@dataclass(frozen=True, slots=True)
class Environment:
    """A Source: packages of fixed versions, without their dependencies, found before ours; ours serve for the rest.

    So every package that is not ours must be named, and torch is never fetched again. Files that match a pattern of
    `without` are left out.
    """

    name: str
    requirements: tuple[str, ...]
    without: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """environment-NAME-<hash>, of one kind of machine and one Python: wheels differ between them."""
        kind = [sysconfig.get_platform(), sys.implementation.cache_tag]
        digest = hashlib.sha256(json.dumps([self.sha256(), *kind]).encode()).hexdigest()
        return f"environment-{self.name}-{digest[:12]}"

    def sha256(self) -> str:
        return hashlib.sha256(json.dumps([self.requirements, self.without]).encode()).hexdigest()

    def write(self, fresh: Path, temporary: Path, models: Path) -> None:  # noqa: ARG002, a Source's
        wanted, packages = fresh / "requirements.txt", fresh / _PACKAGES
        wanted.write_text("\n".join(self.requirements))
        if failure := pip("install", "--target", str(packages), "--requirement", str(wanted)):
            raise unreachable(f"the packages of {self.name} with pip", RuntimeError(failure), self, models)
        for pattern in self.without:
            for file in packages.glob(pattern):
                file.unlink()


class Isolated:
    """An Encoder that `kind` computes in a process of its own. Where that dies, the next call starts another."""

    def __init__(
        self, environment: Environment, kind: Callable[[EncoderSpec, Path], Encoder], spec: EncoderSpec, models: Path
    ) -> None:
        self.spec = spec
        self._packages = weights_folder(environment, models) / _PACKAGES
        self._loads = (kind, spec, models)
        self._one = threading.Lock()  # at a time: tracks may be heard by several threads
        self._start()

    def embed_windows(self, windows: np.ndarray) -> np.ndarray:
        return self._asked("embed_windows", windows)

    def project(self, features: np.ndarray) -> np.ndarray:
        return self._asked("project", features)

    def tag(self, features: np.ndarray) -> np.ndarray:
        return self._asked("tag", features)

    def _start(self) -> None:
        self._pipe, theirs = Pipe()
        path = os.pathsep.join([str(self._packages), *(entry or os.getcwd() for entry in sys.path)])
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SERVE, str(theirs.fileno())],
                env=_CHILD | without_secrets() | {"PYTHONPATH": path},  # others' packages run in it
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # ours is for answers
            )
        self._end = weakref.finalize(self, _end, self._process, self._pipe)
        try:
            self._answer(*self._loads)
        except Exception:
            self._end()
            raise

    def _asked(self, *question: Any) -> np.ndarray:
        with self._one:
            if not self._end.alive:
                self._start()
            return self._answer(*question)

    def _answer(self, *question: Any) -> Any:
        try:
            self._pipe.send(question)
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._end()
            raise RuntimeError(f"the process of {self.spec.name} died") from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def serve(descriptor: int) -> None:
    """The child's side: the first question loads the encoder, the others name its methods."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks decides when it ends
    pipe, encoder = Connection(descriptor), None
    with suppress(EOFError, OSError):  # whoever asked is gone
        while True:
            ask, *arguments = pipe.recv()
            answer = None
            try:
                if encoder is None:
                    encoder = ask(*arguments)
                else:
                    answer = getattr(encoder, ask)(*arguments)
            except UserError as error:
                answer = error
            except Exception as error:  # of a class that only this process may know
                answer = RuntimeError(f"{type(error).__name__}: {error}")
            pipe.send(answer)


def _end(process: subprocess.Popen[bytes], pipe: Connection) -> None:
    pipe.close()
    process.kill()
    process.wait()
