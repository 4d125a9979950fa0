"""The wheel that users install: it holds every file of the four packages, and runs from an environment of its own."""

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.cli import ROOT
from tests.flows.labelled import render_sound

PACKAGES = ("flows", "lake", "schemas", "workers")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as `pip install tonelake` would build it from the sources that git knows."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (path,) = folder.glob("tonelake-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel; the other packages are those of this environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    site_packages = sysconfig.get_path("purelib", vars={"base": str(folder)})
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    install = [*pip, "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, text=True)
    Path(site_packages, "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def run(installed: Path, folder: Path, *arguments: object) -> str:
    """Run the installed command in a folder that is not the repository; return what it printed."""
    command = [str(installed / "python"), str(installed / "tonelake"), *map(str, arguments)]
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={"HOME": str(folder)}
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_it_holds_every_file_of_the_packages(wheel):
    list_files = ["git", "ls-files", "-co", "--exclude-standard", "--", *PACKAGES]
    tracked = subprocess.run(list_files, cwd=ROOT, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.split("/")[0] in PACKAGES}
        licences = {name.split("/licenses/")[1] for name in archive.namelist() if ".dist-info/licenses/" in name}
    assert packed == set(tracked.stdout.split())
    assert licences == {"LICENSE", "NOTICE", "workers/encoders/musicnn/weights/LICENSE.md"}


def test_it_indexes_and_searches(installed, tmp_path):
    (tmp_path / "music").mkdir()
    for number, name in enumerate(("bright", "dark", "dark")):
        (tmp_path / "music" / f"{name}-{number}.wav").write_bytes(render_sound(name, number))
    lake = ("--lake", "lake", "--encoder", "fake", "--json")
    report = json.loads(run(installed, tmp_path, *lake, "index", "music"))
    assert (report["expected"], report["embedded"]) == (3, 3)
    assert len(json.loads(run(installed, tmp_path, *lake, "search", "a dark tone"))) == 3


def test_it_runs_its_own_code(installed, tmp_path):
    code = "import flows, lake, schemas, workers; print(*(m.__path__[0] for m in (flows, lake, schemas, workers)))"
    python = subprocess.run(
        [installed / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert all(path.startswith(str(installed.parent)) for path in python.stdout.split())
