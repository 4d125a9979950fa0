"""A part of a cluster as a process: its log, when it is ready, and an end for all that it started."""

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
GRACE_SECONDS = 5.0  # nothing here is worth a longer one: Ray alone would drain for thirty
TOLD_LINES = 15


class NotReady(RuntimeError):
    """A part did not start, or did not do its work: what it was, and the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Part:
    """A process that was started; `began` is on the monotonic clock."""

    name: str
    process: subprocess.Popen
    log: Path
    began: float

    def wait(self, ready: Callable[[], bool]) -> float:
        """Seconds from its start until it was ready; NotReady where it ended, or took two minutes."""
        while not ready():
            if self.process.poll() is not None:
                raise NotReady(f"{self.name} ended with {self.process.returncode}:\n{tail(self.log)}")
            if time.monotonic() - self.began > READY_SECONDS:
                raise NotReady(f"{self.name} was not ready in {READY_SECONDS:.0f} s:\n{tail(self.log)}")
            time.sleep(0.1)
        return time.monotonic() - self.began


@contextmanager
def started(name: str, command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[Part]:
    """Starts it in a session of its own, so that a Ctrl-C is ours alone, and ends it in any case."""
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
        end(process)


def end(process: subprocess.Popen) -> None:
    """SIGTERM for the process, and SIGKILL for what is left of it and of all that it started after a while."""
    family = _descendants(process.pid)
    if process.poll() is None:
        process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    family += [one for child in family for one in _descendants(child.pid)]
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for one in family:  # psutil kills no stranger that was given the same number
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()
    psutil.wait_procs(family, GRACE_SECONDS)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def asked(request: str | Request, seconds: float) -> HTTPResponse:
    """The answer of a server of this machine, past any proxy."""
    return build_opener(ProxyHandler({})).open(request, timeout=seconds)


def answers(url: str) -> bool:
    """Whether a server says 200 there; asked as the health checks of compose.yaml ask, without a key."""
    try:
        with asked(url, 5) as answer:
            return answer.status == 200
    except OSError:
        return False


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-TOLD_LINES:])
