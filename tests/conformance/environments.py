"""Pip environments for tests: built once in the usual cache, then linked into the folders of small encoders."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conformance.models import fetch_models
from workers.encoders.base.isolated import PipEnvironment

_SHAPES = "\nimport json\nprint(json.dumps({name: list(value.shape) for name, value in net.state_dict().items()}))"


def link_environment(environment: PipEnvironment, models: Path) -> None:
    """Link the environment to where `weights_folder` expects it; skip the test if pip cannot fetch it."""
    source = fetch_models(environment) / environment.folder
    if not (models / environment.folder).exists():
        models.mkdir(parents=True, exist_ok=True)
        (models / environment.folder).symlink_to(source)


def run_in_environment(environment: PipEnvironment, code: str, *arguments: object) -> bytes:
    """Run a program among the environment's packages, which are never imported here, and return its output."""
    packages = fetch_models(environment) / environment.folder / "packages"
    path = os.pathsep.join([str(packages), *filter(None, sys.path)])
    command = [sys.executable, "-c", code, *map(str, arguments)]
    result = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, capture_output=True, check=False
    )
    assert result.returncode == 0, result.stderr.decode()[-2000:]
    return result.stdout


def read_shapes(environment: PipEnvironment, code: str, *arguments: object) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the weights that the package saves; `code` must put the model into `net`."""
    last_line = run_in_environment(environment, code + _SHAPES, *arguments).decode().splitlines()[-1]
    return {name: tuple(shape) for name, shape in json.loads(last_line).items()}
