"""Interrupted runs: many tracks, what is committed of them, and checks that none is lost."""

import contextlib
import os
import subprocess
import threading
import time
from pathlib import Path

from lake.storage.lake import Lake
from schemas.settings import S3Settings
from tests.cli import run_json

TextProcess = subprocess.Popen[str]


def link_tracks(rendered: Path, folder: Path, count: int) -> Path:
    """Fill a folder with `count` tracks of 20 s, which are links to a few rendered files."""
    files = sorted(path for path in rendered.iterdir() if path.suffix != ".csv")
    for number in range(count):
        file = files[number % len(files)]
        os.link(file, folder / f"{number:04}{file.suffix}")
    return folder


def open_lake(lake: str) -> Lake:
    """Open a lake with the settings of the environment."""
    return Lake.at(lake, S3Settings())


def embedded_ids(lake: str) -> list[str]:
    """Return the track_ids of the embeddings table as plain Lance reads it; none if there is no table."""
    home = open_lake(lake)
    names = [name for name in home.table_names() if name.startswith("embeddings__")]
    return home.table(names[0]).to_table(columns=["track_id"])["track_id"].to_pylist() if names else []


def wait_for_rows(lake: str, process: TextProcess, at_least: int) -> int:
    """Wait until a run has committed at least so many rows and return their number; fail if it ends first."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        with contextlib.suppress(OSError, ValueError):
            if (committed := len(embedded_ids(lake))) >= at_least:
                return committed
        time.sleep(0.1)
    raise AssertionError("no commit in two minutes")


def drain_output(process: TextProcess) -> TextProcess:
    """Read a process's output as it comes, so that the process never waits for a full pipe."""
    threading.Thread(target=process.stdout.read, daemon=True).start()
    threading.Thread(target=process.stderr.read, daemon=True).start()
    return process


def finish_run(lake: str, music: Path, count: int, **settings: str) -> dict[str, int]:
    """Run the same command to its end, check that every track is embedded once, and return the report."""
    report = run_json(lake, "index", music, **settings)
    assert_all_embedded(report, lake, count)
    return report


def assert_all_embedded(report: dict[str, int], lake: str, count: int) -> None:
    """Check that a run embedded every track and that the table holds one row for each."""
    assert (report["expected"], report["embedded"], report["quarantined"], report["pending"]) == (count, count, 0, 0)
    ids = embedded_ids(lake)
    assert len(ids) == len(set(ids)) == count


def last_line(errors: str) -> str:
    """Return the last line of a command's errors, the only one that names tonelake; no traceback is allowed."""
    assert "Traceback" not in errors, errors
    lines = errors.strip().splitlines()
    assert lines[-1].startswith("tonelake: "), errors
    assert sum(line.startswith("tonelake: ") for line in lines) == 1, errors
    return lines[-1]
