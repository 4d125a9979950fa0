"""A disk that is full in the middle of a run: one line, what was committed is kept, and the same command finishes."""

import subprocess

import pytest

from tests.cli import answer, run
from tests.distributed.interrupted_runs import exact, last_line, linked, rows

TRACKS_HELD = 160
OFTEN = {"TONELAKE_COMMIT_ROWS": "16"}
# Waits in a name space of its own, with a small disk of its own mounted; told a size, it gives the disk that size.
HOLD = """
set -e
mount -t tmpfs -o size=$2 none "$1"
echo mounted
while read size; do mount -o remount,size=$size "$1"; echo remounted; done
"""


class SmallDisk:
    """A tmpfs that only processes of this name space see as a disk; /proc/PID/root shows it to the others."""

    def __init__(self, folder, size: str):
        inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", HOLD, "sh", str(folder), size]
        self._process = subprocess.Popen(
            inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.mounted = self._process.stdout.readline() == "mounted\n"
        self.path = f"/proc/{self._process.pid}/root{folder}"

    def resize(self, size: str) -> None:
        self._process.stdin.write(f"{size}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "remounted\n"

    def refusal(self) -> str:
        return self._process.stderr.read().strip()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=10)


@pytest.fixture
def disk(tmp_path):
    one = SmallDisk(tmp_path, "1100k")
    if not one.mounted:
        pytest.skip(f"no small disk can be mounted here: {one.refusal()}")
    yield one
    one.close()


@pytest.fixture(scope="module")
def music(rendered, tmp_path_factory):
    return linked(rendered, tmp_path_factory.mktemp("full"), TRACKS_HELD)


def full(*arguments, lake: str, **settings: str) -> None:
    result = run("--lake", lake, "--encoder", "fake", *arguments, code=2, **settings)
    line = last_line(result.stderr)
    assert "the disk is full" in line
    assert "make room and run the same command again" in line


def test_a_full_disk(disk, music):
    lake = f"{disk.path}/lake"
    full("index", music, lake=lake, **OFTEN)
    there = rows(lake)
    assert 0 < len(there) == len(set(there)) < TRACKS_HELD
    status = answer(lake, "status")["encoders"][0]
    assert status["embedded"] == len(there)
    assert status["expected"] == TRACKS_HELD == status["embedded"] + status["pending"]
    assert answer(lake, "search", "calm", "-k", "3")
    full("maintain", lake=lake)
    disk.resize("300m")
    report = exact(lake, music, TRACKS_HELD)
    assert report["embedded_now"] == TRACKS_HELD - len(there)
    assert set(there) < set(rows(lake))
    run("--lake", lake, "maintain")
    assert answer(lake, "doctor") == []


def test_an_export_into_a_full_disk(disk, music, tmp_path):
    lake = str(tmp_path / "lake")
    answer(lake, "index", music)
    place = f"{disk.path}/export"
    disk.resize("16k")
    full("export", place, lake=lake)
    disk.resize("300m")
    assert answer(lake, "export", place)["tracks"] == TRACKS_HELD
