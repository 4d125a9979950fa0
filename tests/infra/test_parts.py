"""Parts that do not start, and the processes that an ended part leaves."""

import os
import sys

import psutil
import pytest

from tests.infra.parts import NotReady, start_part

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


def is_running(pid):
    """Return whether a process runs; a killed orphan may stay as a zombie that nobody waits for."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_part_that_ends_is_reported_with_the_end_of_its_log(tmp_path):
    command = [sys.executable, "-c", "print('the port is taken'); raise SystemExit(3)"]
    with (
        pytest.raises(NotReady, match=r"server ended with 3:\nthe port is taken"),
        start_part("server", command, os.environ, tmp_path / "log") as part,
    ):
        part.wait(lambda: False)


def test_a_part_that_is_never_ready_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.infra.parts.READY_SECONDS", 0.5)
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with start_part("server", command, os.environ, tmp_path / "log") as part:
        with pytest.raises(NotReady, match=r"server was not ready in 0 s"):
            part.wait(lambda: False)
        assert part.process.poll() is None
    assert part.process.returncode is not None


def test_processes_that_a_part_started_end_with_it_even_if_they_ignore_sigterm(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.infra.parts.GRACE_SECONDS", 0.5)
    log = tmp_path / "log"
    with start_part("server", [sys.executable, "-c", STUBBORN], os.environ, log) as part:
        part.wait(lambda: log.read_text().endswith("\n"))
        child = int(log.read_text())
        assert is_running(child)
    assert not is_running(child)
    assert part.process.returncode == -9
