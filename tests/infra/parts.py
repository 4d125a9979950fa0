"""Parts of a cluster as processes: start them, wait until they are ready, end all that they started."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import psutil

from tests.infra.files import ROOT

READY_SECONDS = 120.0
GRACE_SECONDS = 5.0  # nothing here needs longer; Ray would drain for 30 s
TAIL_LINES = 15


class NotReady(RuntimeError):
    """A part did not start or did not do its work; the message ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Part:
    """A started process; `began` is a time of the monotonic clock."""

    name: str
    process: subprocess.Popen
    log: Path
    began: float

    def wait(self, ready: Callable[[], bool]) -> float:
        """Wait until the part is ready; return the seconds since its start.

        Raises NotReady if it ends or takes two minutes.
        """
        while not ready():
            if self.process.poll() is not None:
                raise NotReady(f"{self.name} ended with {self.process.returncode}:\n{tail(self.log)}")
            if time.monotonic() - self.began > READY_SECONDS:
                raise NotReady(f"{self.name} was not ready in {READY_SECONDS:.0f} s:\n{tail(self.log)}")
            time.sleep(0.1)
        return time.monotonic() - self.began


@contextmanager
def start_part(name: str, command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[Part]:
    """Start a part in its own session, so that Ctrl-C does not reach it; end it in any case."""
    began = time.monotonic()
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
        )
    try:
        yield Part(name, process, log, began)
    finally:
        end_process(process)


def end_process(process: subprocess.Popen) -> None:
    """End the process with SIGTERM; after a while, kill it and all processes that it started."""
    family = _descendants(process.pid)
    if process.poll() is None:
        process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    family += [process for child in family for process in _descendants(child.pid)]
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for child in family:  # psutil does not kill another process that was given the same number
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()
    psutil.wait_procs(family, GRACE_SECONDS)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def open_url(request: str | Request, seconds: float) -> HTTPResponse:
    """Open a URL of this machine, past any proxy."""
    return build_opener(ProxyHandler({})).open(request, timeout=seconds)


def is_healthy(url: str) -> bool:
    """Return whether a server answers 200, without a key, as the health checks of compose.yaml ask."""
    try:
        with open_url(url, 5) as answer:
            return answer.status == 200
    except OSError:
        return False


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
