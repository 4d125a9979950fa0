"""What `make` installs: the demo's packages, and above them those of the tests."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.cli import ROOT


def list_commands(target: str) -> str:
    """Return the commands of a target and of all that it needs, without running them."""
    command = ["make", "--dry-run", "--always-make", target]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_demo_installs_no_test_tools():
    commands = list_commands("demo")
    assert '".[demo,serve]"' in commands
    assert "[test]" not in commands
    assert "hnswlib" not in commands


def test_the_tests_add_to_the_demos_environment():
    commands = list_commands("test")
    assert commands.index('".[demo,serve]"') < commands.index('".[test]"') < commands.index("hnswlib")


def test_every_install_is_pinned():
    installs = [part for part in list_commands("test").split("||") if "pip install" in part]
    assert installs
    assert all("-c constraints.txt" in install for install in installs)


def test_without_a_network_one_line_says_what_to_do(tmp_path: Path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    outer_make = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}  # set if `make test` runs this test
    environment = {name: value for name, value in os.environ.items() if name not in outer_make}
    offline = environment | {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    result = subprocess.run(["make", "demo"], cwd=tmp_path, env=offline, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    last_line = result.stdout.splitlines()[-1]
    assert last_line == "cannot install uv: is this machine online? .venv/install.log says what went wrong"
    assert "uv" in (tmp_path / ".venv" / "install.log").read_text()
    assert not (tmp_path / ".venv" / "demo-ready").exists()
