"""The command line as a user runs it: a process, its output, its exit code."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from flows.cli.main import main

COMMAND = [sys.executable, "-m", "flows.cli.main"]
ROOT = Path(__file__).parents[1]
_FOR_NEW_PROCESSES = {"LD_PRELOAD", "RAY_ADDRESS", "TONELAKE_EXECUTOR"}


def environment(**settings: str) -> dict[str, str]:
    """Return the tests' environment with these settings."""
    return os.environ | {"PYTHONPATH": str(ROOT)} | settings


def run(*arguments: object, code: int = 0, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `tonelake ARGUMENTS` to its end and expect an exit code."""
    result = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment(**settings),
        check=False,
        timeout=580,
    )
    assert result.returncode == code, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr
    return result


def run_here(*arguments: object, code: int = 0, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `tonelake ARGUMENTS` like `run`, in this process: that saves the seconds of its imports.

    Tests about signals, imports, libraries' own output or Ray need a process of their own. They get it if they set a
    variable that has no effect later. The streams have the encoding of PYTHONIOENCODING, else UTF-8.
    """
    if settings.keys() & _FOR_NEW_PROCESSES:
        return run(*arguments, code=code, **settings)
    output, errors = (
        io.TextIOWrapper(io.BytesIO(), encoding=settings.get("PYTHONIOENCODING", "utf-8")) for _ in range(2)
    )
    status = 0
    before = signal.getsignal(signal.SIGTERM)
    with (
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
        patch.dict(os.environ, settings),
    ):
        try:
            main([*map(str, arguments)])
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            signal.signal(signal.SIGTERM, before)
    printed, logged = _text(output), _text(errors)
    assert status == code, f"exit {status}\n{printed}\n{logged}"
    assert "Traceback" not in logged
    return subprocess.CompletedProcess(arguments, status, printed, logged)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    written: io.BytesIO = stream.buffer
    return written.getvalue().decode(stream.encoding)


def run_json(lake: object, *arguments: object, encoder: str = "fake", code: int = 0, **settings: str) -> Any:
    """Run a command in this process and return its JSON document; nothing else may be on standard output."""
    return json.loads(
        run_here("--lake", lake, "--encoder", encoder, "--json", *arguments, code=code, **settings).stdout
    )


def error_line(*arguments: object, **settings: str) -> str:
    """Run a command that refuses its input, and return its one line of error."""
    result = run_here(*arguments, code=2, **settings)
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


def start(*arguments: object, **settings: str) -> subprocess.Popen[str]:
    """Start a command in a new process group, so that all of it can be killed at once.

    It heeds Ctrl-C even if the tests run in the background of a shell.
    """
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**settings),
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )


def heed_interrupts() -> None:
    """Let a new process heed Ctrl-C, which a shell's background jobs and their children ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def kill_group(process: subprocess.Popen[str]) -> None:
    """Kill the process and everything that it started in its group, as `kill -9` does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
