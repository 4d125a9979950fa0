"""What Ray loses: workers killed again and again, and a whole node in the middle of a run."""

import json
import os
import signal

import psutil
import pytest

from tests.cli import start
from tests.distributed.interrupted_runs import Process, counted, linked, wait_for_rows

TRACKS = 300
OFTEN = {"TONELAKE_COMMIT_ROWS": "16"}


@pytest.fixture(scope="module")
def music(rendered, tmp_path_factory):
    return linked(rendered, tmp_path_factory.mktemp("workers"), TRACKS)


def kill_a_worker(process: Process) -> bool:
    """kill -9 of one that computes; False while there is none."""
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            computes = any("MapWorker" in part for part in child.cmdline()[:1])
        except psutil.Error:
            continue
        if computes:
            os.kill(child.pid, signal.SIGKILL)
            return True
    return False


def ended(process: Process) -> dict:
    """What the run says at its end; standard output holds that alone."""
    told, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    return json.loads(told)


def test_workers_killed_in_the_middle_cost_no_track(music, tmp_path):
    lake = str(tmp_path / "lake")
    process = start("--lake", lake, "--encoder", "fake", "--json", "index", music, **OFTEN)
    killed = 0
    for committed in (16, 64, 128):
        wait_for_rows(lake, process, committed)
        killed += kill_a_worker(process)
    assert killed == 3
    counted(ended(process), lake, TRACKS)


def test_a_lost_node_costs_no_track(music, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    from ray.cluster_utils import Cluster  # reads the environment when it starts

    lake = str(tmp_path / "lake")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        doomed = cluster.add_node(num_cpus=1)
        command = ("--lake", lake, "--encoder", "fake", "--json", "index", music)
        process = start(*command, **OFTEN, RAY_ADDRESS=cluster.address, RAY_AUTH_MODE="disabled")
        wait_for_rows(lake, process, 64)
        cluster.remove_node(doomed, allow_graceful=False)
        counted(ended(process), lake, TRACKS)
    finally:
        cluster.shutdown()
