"""Environments of encoders for tests: built once in the usual cache, then linked to where a small likeness looks."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conformance.models import models_with
from workers.encoders.base.isolated import Environment

_SHAPES = "\nimport json\nprint(json.dumps({name: list(value.shape) for name, value in net.state_dict().items()}))"


def linked(environment: Environment, models: Path) -> None:
    """The environment, where `weights_folder` expects it in that folder; skips the test where pip cannot fetch it."""
    there = models_with(environment) / environment.folder
    if not (models / environment.folder).exists():
        models.mkdir(parents=True, exist_ok=True)
        (models / environment.folder).symlink_to(there)


def inside(environment: Environment, code: str, *arguments: object) -> bytes:
    """What a program prints that runs among these packages: they are never imported here."""
    packages = models_with(environment) / environment.folder / "packages"
    path = os.pathsep.join([str(packages), *filter(None, sys.path)])
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout


def shapes(environment: Environment, code: str, *arguments: object) -> dict[str, tuple[int, ...]]:
    """Names and shapes of what the package itself saves; `code` leaves the model in `net`."""
    printed = inside(environment, code + _SHAPES, *arguments).decode().splitlines()[-1]
    return {name: tuple(shape) for name, shape in json.loads(printed).items()}
