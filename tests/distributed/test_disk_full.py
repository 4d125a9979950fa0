"""A disk that is full in the middle of a run: one line of error, commits are kept, the same command finishes."""

import subprocess

import pytest

from tests.cli import run, run_json
from tests.distributed.interrupted_runs import embedded_ids, finish_run, last_line, link_tracks

pytestmark = pytest.mark.slow

TRACK_COUNT = 160
FREQUENT_COMMITS = {"TONELAKE_COMMIT_ROWS": "16"}
# Mounts a small disk in a new name space and waits. Each size that it reads becomes the size of the disk.
MOUNT_SCRIPT = """
set -e
mount -t tmpfs -o size=$2 none "$1"
echo mounted
while read size; do mount -o remount,size=$size "$1"; echo remounted; done
"""


class SmallDisk:
    """A tmpfs in a name space of its own; other processes reach it by /proc/PID/root."""

    def __init__(self, folder, size: str):
        shell = ["sh", "-c", MOUNT_SCRIPT, "sh", str(folder), size]
        command = ["unshare", "--user", "--map-root-user", "--mount", *shell]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.mounted = self._process.stdout.readline() == "mounted\n"
        self.path = f"/proc/{self._process.pid}/root{folder}"

    def resize(self, size: str) -> None:
        self._process.stdin.write(f"{size}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "remounted\n"

    def error(self) -> str:
        return self._process.stderr.read().strip()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=10)


@pytest.fixture
def disk(tmp_path):
    small_disk = SmallDisk(tmp_path, "1100k")
    if not small_disk.mounted:
        pytest.skip(f"no small disk can be mounted here: {small_disk.error()}")
    yield small_disk
    small_disk.close()


@pytest.fixture(scope="module")
def music(rendered, tmp_path_factory):
    return link_tracks(rendered, tmp_path_factory.mktemp("full"), TRACK_COUNT)


def assert_disk_full(*arguments, lake: str, **settings: str) -> None:
    result = run("--lake", lake, "--encoder", "fake", *arguments, code=2, **settings)
    line = last_line(result.stderr)
    assert "the disk is full" in line
    assert "make room and run the same command again" in line


def test_a_full_disk(disk, music):
    lake = f"{disk.path}/lake"
    assert_disk_full("index", music, lake=lake, **FREQUENT_COMMITS)
    committed = embedded_ids(lake)
    assert 0 < len(committed) == len(set(committed)) < TRACK_COUNT
    status = run_json(lake, "status")["encoders"][0]
    assert status["embedded"] == len(committed)
    assert status["expected"] == TRACK_COUNT == status["embedded"] + status["pending"]
    assert run_json(lake, "search", "calm", "-k", "3")
    assert_disk_full("maintain", lake=lake)
    disk.resize("300m")
    report = finish_run(lake, music, TRACK_COUNT)
    assert report["embedded_now"] == TRACK_COUNT - len(committed)
    assert set(committed) < set(embedded_ids(lake))
    run("--lake", lake, "maintain")
    assert run_json(lake, "doctor") == []


def test_an_export_into_a_full_disk(disk, music, tmp_path):
    lake = str(tmp_path / "lake")
    run_json(lake, "index", music)
    folder = f"{disk.path}/export"
    disk.resize("16k")
    assert_disk_full("export", folder, lake=lake)
    disk.resize("300m")
    assert run_json(lake, "export", folder)["tracks"] == TRACK_COUNT
