"""Leases: one writer a table, replaced if dead or silent, fenced if replaced. Real processes and signals."""

import errno
import io
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest

import lake.storage.lease
from lake.storage.lake import Lake
from lake.storage.lease import Lease, LeaseLost
from schemas.errors import UserError
from schemas.settings import S3Settings
from schemas.tables import key

HOLD = """
import sys, time
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.settings import S3Settings
import lake.storage.lease
lake.storage.lease.HEARTBEAT_SECONDS = float(sys.argv[2])
with Lease(Lake.at(sys.argv[1], S3Settings()), "t", "holder", print):
    print("held", flush=True)
    time.sleep(120)
"""


@pytest.fixture(params=["local", "s3"])
def home(request, tmp_path):
    uri = str(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("s3_bucket")
    return Lake.at(uri, S3Settings())


@pytest.fixture
def holder(home):
    processes = []

    def start(heartbeat=0.2):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, home.uri, str(heartbeat)], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def set_timeout(seconds, monkeypatch):
    monkeypatch.setattr(lake.storage.lease, "LEASE_TIMEOUT_SECONDS", seconds)


def test_released_is_free_at_once_and_numbers_rise(home):
    numbers = []
    for _ in range(3):
        with Lease(home, "t", "run", pytest.fail) as lease:
            lease.check()
            numbers.append(lease.number)
    assert numbers == [1, 2, 3]


def test_living_holder_is_named(home, holder):
    process = holder()
    with pytest.raises(UserError, match=rf"run holder \(process {process.pid} on .*wait for it"):
        Lease(home, "t", "second", print).__enter__()


def test_killed_holder_on_this_host_is_replaced_at_once(home, holder):
    process = holder()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    started = time.monotonic()
    with Lease(home, "t", "second", pytest.fail) as lease:
        assert lease.number == 2
    assert time.monotonic() - started < 5


def test_silent_holder_is_replaced_after_the_wait_and_fenced(home, monkeypatch):
    set_timeout(1.0, monkeypatch)
    messages = []
    with Lease(home, "t", "first", print) as first:
        monkeypatch.setattr(lake.storage.lease, "HEARTBEAT_SECONDS", 1e6)
        first._stop.set()  # like a process that hangs: no heartbeat comes
        with Lease(home, "t", "second", messages.append) as second:
            second.check()
            with pytest.raises(LeaseLost, match="took over"):
                first.check()
        assert "held by run first" in messages[0]


def test_no_commit_of_a_replaced_holder_arrives(home, monkeypatch):
    """It stood still between its last check and its commit; its error says so."""
    set_timeout(1.0, monkeypatch)
    monkeypatch.setattr(lake.storage.lease, "HEARTBEAT_SECONDS", 1e6)
    home.write_format()
    schema = pa.schema([key("track_id")])
    home.upsert("t", schema, pa.table({"track_id": ["t1"]}, schema=schema))

    def stand_still_before_the_commit():
        with Lease(home, "t", "first", print) as first:
            table = home.table("t")
            first.check()
            with Lease(home, "t", "second", lambda _: None):
                table.delete("true")

    with pytest.raises(LeaseLost, match="took over"):
        stand_still_before_the_commit()
    assert home.table("t").count_rows() == 1


def test_one_of_many_runs_gets_it(home):
    code = HOLD.replace("time.sleep(120)", "time.sleep(4)")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, home.uri, "0.2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert sorted(process.returncode for process in processes)[0] == 0
    holders = [number for number, (output, _) in enumerate(outputs) if "held\n" in output]
    for number, (_, errors) in enumerate(outputs):
        assert number in holders or "UserError: run holder" in errors
    assert holders


def test_a_full_disk_is_an_error_and_leaves_no_holder(tmp_path, monkeypatch):
    """Its empty file was once taken for that of a starting holder, over and over."""

    class Full(io.FileIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    home = Lake.at(str(tmp_path / "lake"), S3Settings())
    with monkeypatch.context() as full:
        full.setattr(lake.storage.lease, "open", Full, raising=False)
        with pytest.raises(OSError, match="No space left"):
            Lease(home, "table", "run", print).__enter__()
    with Lease(home, "table", "run", print) as lease:
        assert lease.number == 1
