"""What tests of faults share: a run caught in its middle, and the rows that plain Lance sees."""

import contextlib
import os
import threading
import time
from pathlib import Path

from tests.cli import answer


def linked(rendered: Path, folder: Path, count: int) -> Path:
    """Many tracks of 20 s, enough to be caught in the middle: links to a few rendered files."""
    files = sorted(path for path in rendered.iterdir() if path.suffix != ".csv")
    for number in range(count):
        file = files[number % len(files)]
        os.link(file, folder / f"{number:04}{file.suffix}")
    return folder


def rows(lake: str) -> list[str]:
    """track_ids of the embeddings table as plain Lance sees it; none while there is no table."""
    from lake.connect import Lake
    from schemas.settings import S3Settings

    home = Lake.at(lake, S3Settings())
    names = [name for name in home.names() if name.startswith("embeddings__")]
    return home.table(names[0]).to_table(columns=["track_id"])["track_id"].to_pylist() if names else []


def wait_for_rows(lake: str, process, at_least: int) -> int:
    """Waits until a run has committed; fails when it ends first."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        with contextlib.suppress(OSError, ValueError):
            if (found := len(rows(lake))) >= at_least:
                return found
        time.sleep(0.1)
    raise AssertionError("no commit in two minutes")


def drained(process):
    """Reads a process's output as it comes, so that it never waits for a full pipe."""
    threading.Thread(target=process.stdout.read, daemon=True).start()
    threading.Thread(target=process.stderr.read, daemon=True).start()
    return process


def exact(lake: str, music: Path, count: int, **settings: str) -> dict:
    """The same command finishes, and every track is there once; gives back what it reported."""
    report = answer(lake, "index", music, **settings)
    assert (report["expected"], report["embedded"], report["quarantined"], report["pending"]) == (count, count, 0, 0)
    ids = rows(lake)
    assert len(ids) == len(set(ids)) == count
    return report


def last_line(errors: str) -> str:
    """What a command says as its last word, of one line and no traceback."""
    assert "Traceback" not in errors, errors
    lines = errors.strip().splitlines()
    assert lines[-1].startswith("tonelake: "), errors
    assert sum(line.startswith("tonelake: ") for line in lines) == 1, errors
    return lines[-1]
