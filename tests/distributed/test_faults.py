"""What must survive: kill -9 of everything, two indexers at once, a file that kills its worker, an interrupt."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import lance
import pytest

from tests.cli import answer, kill_group, start

TRACKS = 600
OFTEN = {"TONELAKE_COMMIT_ROWS": "16"}


@pytest.fixture(scope="module")
def music(rendered, tmp_path_factory):
    """Many tracks of 20 s, enough to be caught in the middle: links to a few rendered files."""
    folder = tmp_path_factory.mktemp("faults")
    files = sorted(path for path in rendered.iterdir() if path.suffix != ".csv")
    for number in range(TRACKS):
        file = files[number % len(files)]
        os.link(file, folder / f"{number:04}{file.suffix}")
    return folder


@pytest.fixture(params=["local", "s3"])
def lake(request, tmp_path):
    return str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")


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


def exact(lake: str, music: Path, count: int = TRACKS) -> None:
    report = answer(lake, "index", music)
    assert (report["expected"], report["embedded"], report["quarantined"], report["pending"]) == (count, count, 0, 0)
    ids = rows(lake)
    assert len(ids) == len(set(ids)) == count


def test_kill_9_loses_nothing_and_doubles_nothing(music, lake):
    process = drained(start("--lake", lake, "--encoder", "fake", "index", music, **OFTEN))
    there = wait_for_rows(lake, process, 4)
    kill_group(process)
    assert there < TRACKS, "the run ended before it was killed"
    survived = rows(lake)
    assert len(survived) >= there
    exact(lake, music)
    assert set(survived) <= set(rows(lake))


def test_an_interrupt_keeps_what_was_computed(music, tmp_path):
    lake = str(tmp_path / "lake")
    process = drained(start("--lake", lake, "--encoder", "fake", "index", music, TONELAKE_COMMIT_ROWS="100"))
    there = wait_for_rows(lake, process, 100)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert there <= len(rows(lake)) < TRACKS
    exact(lake, music)


def test_two_indexers_at_once(music, lake):
    first = drained(start("--lake", lake, "--encoder", "fake", "index", music, **OFTEN))
    wait_for_rows(lake, first, 1)
    second = start("--lake", lake, "--encoder", "fake", "index", music, **OFTEN)
    _, errors = second.communicate(timeout=200)
    assert first.wait(timeout=200) == 0
    assert second.returncode in (0, 2)
    if second.returncode == 2:
        assert "is writing embeddings__fake__" in errors
    exact(lake, music)


def test_lance_alone_reads_what_a_killed_run_left(music, tmp_path):
    lake = str(tmp_path / "lake")
    process = drained(start("--lake", lake, "--encoder", "fake", "index", music, **OFTEN))
    wait_for_rows(lake, process, 4)
    kill_group(process)
    for path in Path(lake).glob("*.lance"):
        lance.dataset(str(path)).to_table()
