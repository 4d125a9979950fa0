"""A run that is caught in the middle: many tracks, what is committed of them, and the proof that none is lost."""

import contextlib
import os
import subprocess
import threading
import time
from pathlib import Path

from lake.connect import Lake
from schemas.settings import S3Settings
from tests.cli import answer

Process = subprocess.Popen[str]


def many(folder: Path, rendered: Path, count: int) -> Path:
    """A folder of `count` tracks of 20 s, links to a few rendered files."""
    files = sorted(path for path in rendered.iterdir() if path.suffix != ".csv")
    for number in range(count):
        file = files[number % len(files)]
        os.link(file, folder / f"{number:04}{file.suffix}")
    return folder


def home_of(lake: str) -> Lake:
    """The lake as the environment reaches it."""
    return Lake.at(lake, S3Settings())


def rows(lake: str) -> list[str]:
    """track_ids of the embeddings table as plain Lance sees it; none while there is no table."""
    home = home_of(lake)
    names = [name for name in home.names() if name.startswith("embeddings__")]
    return home.table(names[0]).to_table(columns=["track_id"])["track_id"].to_pylist() if names else []


def wait_for_rows(lake: str, process: Process, at_least: int) -> int:
    """Waits until a run has committed; fails when it ends first."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        with contextlib.suppress(OSError, ValueError):
            if (found := len(rows(lake))) >= at_least:
                return found
        time.sleep(0.1)
    raise AssertionError("no commit in two minutes")


def drained(process: Process) -> Process:
    """Reads a process's output as it comes, so that it never waits for a full pipe."""
    threading.Thread(target=process.stdout.read, daemon=True).start()
    threading.Thread(target=process.stderr.read, daemon=True).start()
    return process


def exact(lake: str, music: Path, count: int) -> None:
    """The same command finishes: every track embedded, each row once, as plain Lance counts them."""
    counted(answer(lake, "index", music), count)
    ids = rows(lake)
    assert len(ids) == len(set(ids)) == count


def counted(report: dict[str, int], count: int) -> None:
    """A report of a run that embedded every track."""
    assert (report["expected"], report["embedded"], report["quarantined"], report["pending"]) == (count, count, 0, 0)
