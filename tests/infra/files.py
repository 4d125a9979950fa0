"""What the tests of infra/ read, and the programs they read it with."""

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
COMPOSE = INFRA / "compose.yaml"
EXAMPLE = INFRA / ".env.example"
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|KEY")


def documents(name: str) -> list[dict[str, Any]]:
    """The YAML documents of a file below infra/."""
    return list(yaml.safe_load_all((INFRA / name).read_text()))


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile: word and the rest, lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (INFRA / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in lines if line.strip()]


def stages() -> set[str]:
    """The values of DEVICE that the Dockerfile builds an image for."""
    return {rest.split(" AS ")[1] for word, rest in dockerfile() if word == "FROM" and " AS " in rest} - {"base"}


def run(program: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program of the `test` extra."""
    places = sysconfig.get_path("scripts"), os.environ["PATH"]
    found = shutil.which(program, path=os.pathsep.join(places))
    assert found, f'{program} is not installed: pip install -e ".[test]"'
    command = [found, *map(str, arguments)]
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=keep | environment)


def known_variables() -> set[str]:
    """Environment variables that tonelake's settings read, or Prefect's; Ray's are `is_ray`'s."""
    from prefect.settings import Settings as PrefectSettings
    from prefect.settings.legacy import _get_settings_fields

    from schemas.settings import S3Settings, Settings

    ours = {f"TONELAKE_{name}".upper() for name in Settings.model_fields} | {"RAY_ADDRESS", "PREFECT_API_URL"}
    s3 = {f"AWS_{name}".upper() for name in S3Settings.model_fields}
    return ours | s3 | set(_get_settings_fields(PrefectSettings)) | {"DO_NOT_TRACK", "PYTHONUNBUFFERED"}


def is_ray(name: str) -> bool:
    """Whether Ray's own source speaks of this variable."""
    import ray

    sources = [path for room in ("_private", "_common") for path in (Path(ray.__file__).parent / room).rglob("*.py")]
    word = re.compile(rf"\b{name}\b")
    return name.startswith("RAY_") and any(word.search(path.read_text()) for path in sources)


def unknown(names: set[str]) -> set[str]:
    """Those that nothing reads."""
    return {name for name in names - known_variables() if not is_ray(name)}
