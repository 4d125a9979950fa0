"""`make cluster` from end to end: minutes, so `-m "not slow"` leaves it out."""

import re
import signal
import subprocess
import sys

import pytest

from schemas.errors import UserError
from tests.infra.cluster import PIECES, Counts, run
from tests.infra.files import ROOT
from tests.infra.topology import processes_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # the first test waits for all of it


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def outcome(folder):
    return run(folder, False, print)


def test_every_deployment_that_was_run_completed(outcome):
    runs = ("index/on-request", "refresh/nightly-refresh", "evaluate/nightly")
    assert outcome.states == dict.fromkeys(runs, "Completed")


def test_both_ray_nodes_computed(outcome):
    assert outcome.nodes == len(outcome.blocks) == 2
    assert sum(outcome.blocks.values()) == PIECES + 1  # so few tracks are a block each


def test_every_track_is_accounted_for_in_the_store(outcome):
    assert outcome.indexed == Counts(PIECES + 1, PIECES, 1, 0, PIECES)
    assert outcome.refreshed == Counts(PIECES + 2, PIECES + 1, 1, 0, PIECES + 1)
    counts = dict(re.findall(r"(expected|embedded|quarantined|pending) *│ *(\d+)", outcome.status))
    assert counts == {"expected": f"{PIECES + 2}", "embedded": f"{PIECES + 1}", "quarantined": "1", "pending": "0"}


def test_figures_are_in_the_lake_and_tell_high_from_low(outcome):
    assert outcome.figures.keys() == {("linear", "roc_auc"), ("mlp", "roc_auc")}
    assert min(outcome.figures.values()) > 0.9


def test_a_plain_shell_finds_tracks(outcome):
    first, *others = re.findall(r"^│ \d.*", outcome.search, flags=re.MULTILINE)
    assert "flute" in first
    assert len(others) == 2


def test_no_process_is_left_running(outcome, folder):
    assert outcome.running > 10  # the same search found them while the cluster ran
    assert not processes_of(folder)


def test_ctrl_c_ends_every_part(tmp_path):
    command = [sys.executable, "-m", "tests.infra.cluster", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = iter(process.stdout.readline, "")
    assert any("Ray, first node" in line for line in lines)
    assert len(processes_of(tmp_path)) > 3
    process.send_signal(signal.SIGINT)
    assert "stopped; the logs are in" in process.communicate(timeout=120)[0]
    assert process.returncode == 130
    assert not processes_of(tmp_path)
    assert (tmp_path / "prefect-server.log").stat().st_size > 0
    assert (tmp_path / "ray" / "raylet.out").is_file()


def test_a_folder_that_no_cluster_made_is_left_alone(tmp_path):
    (tmp_path / "song.wav").write_bytes(b"a song")
    with pytest.raises(UserError, match=r"name a folder that is empty or new"):
        run(tmp_path, False, print)
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]
