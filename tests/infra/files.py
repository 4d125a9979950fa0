"""Readers of the files in infra/, and the programs that check them."""

import inspect
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import uvicorn
import yaml

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
COMPOSE = INFRA / "compose.yaml"
EXAMPLE = INFRA / ".env.example"
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY")


def documents(name: str) -> list[dict[str, Any]]:
    """Return the YAML documents of a file below infra/."""
    return list(yaml.safe_load_all((INFRA / name).read_text()))


def dockerfile() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, as word and rest; lines are joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (INFRA / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in lines if line.strip()]


def stages() -> set[str]:
    """Return the values of DEVICE that the Dockerfile builds an image for."""
    return {rest.split(" AS ")[1] for word, rest in dockerfile() if word == "FROM" and " AS " in rest} - {"base"}


def run(program: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the `test` extra, without the variables of this environment."""
    folders = sysconfig.get_path("scripts"), os.environ["PATH"]
    path = shutil.which(program, path=os.pathsep.join(folders))
    assert path, f'{program} is not installed: pip install -e ".[test]"'
    command = [path, *map(str, arguments)]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=kept | environment)


def known_variables() -> set[str]:
    """Return the environment variables that tonelake or Prefect reads; for Ray's, see `is_ray_variable`."""
    from prefect.settings import Settings as PrefectSettings
    from prefect.settings.legacy import _get_settings_fields

    from schemas.settings import S3Settings, Settings

    tonelake = {f"TONELAKE_{name}".upper() for name in Settings.model_fields} | {"RAY_ADDRESS", "PREFECT_API_URL"}
    s3 = {f"AWS_{name}".upper() for name in S3Settings.model_fields}
    others = {"DO_NOT_TRACK", "PYTHONUNBUFFERED"}
    others |= {name for name in ("FORWARDED_ALLOW_IPS",) if name in inspect.getsource(uvicorn.config)}
    return tonelake | s3 | set(_get_settings_fields(PrefectSettings)) | others


def is_ray_variable(name: str) -> bool:
    """Return whether Ray's own source contains this variable."""
    import ray

    sources = [path for room in ("_private", "_common") for path in (Path(ray.__file__).parent / room).rglob("*.py")]
    word = re.compile(rf"\b{name}\b")
    return name.startswith("RAY_") and any(word.search(path.read_text()) for path in sources)


def unknown_variables(names: set[str]) -> set[str]:
    """Return the names that no program reads."""
    return {name for name in names - known_variables() if not is_ray_variable(name)}
