"""A run that is caught in the middle: many tracks, what is committed of them, and the proof that none is lost."""

import contextlib
import os
import subprocess
import threading
import time
from pathlib import Path

from lake.storage.lake import Lake
from schemas.settings import S3Settings
from tests.cli import answer

Process = subprocess.Popen[str]


def linked(rendered: Path, folder: Path, count: int) -> Path:
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


def exact(lake: str, music: Path, count: int, **settings: str) -> dict[str, int]:
    """The same command finishes, and every track is there once, as plain Lance counts them; gives back the report."""
    report = answer(lake, "index", music, **settings)
    counted(report, lake, count)
    return report


def counted(report: dict[str, int], lake: str, count: int) -> None:
    """A report of a run that embedded every track, each of which has one row."""
    assert (report["expected"], report["embedded"], report["quarantined"], report["pending"]) == (count, count, 0, 0)
    ids = rows(lake)
    assert len(ids) == len(set(ids)) == count


def last_line(errors: str) -> str:
    """What a command says as its last word, of one line and no traceback."""
    assert "Traceback" not in errors, errors
    lines = errors.strip().splitlines()
    assert lines[-1].startswith("tonelake: "), errors
    assert sum(line.startswith("tonelake: ") for line in lines) == 1, errors
    return lines[-1]
