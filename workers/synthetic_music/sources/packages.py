"""Sound files of pinned packages of Debian and npm, unpacked and never installed.

folder = fetch_package(SoundPackage("freepats", DEBIAN, "f/freepats/...", digest, ("*.pat",)), settings.models, None)
"""

import hashlib
import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO

from schemas.errors import UserError
from workers.synthetic_music.sources.debian import POOL, SNAPSHOT, read_package, verify_sha256
from workers.weights.cache import weights_folder
from workers.weights.sources import download

DEBIAN = (POOL, SNAPSHOT)
NPM = ("https://registry.npmjs.org",)


@dataclass(frozen=True, slots=True)
class SoundPackage:
    """Files of a package; a Source of `workers.weights.sources`.

    `address` is the package's path below one of the `mirrors`. Files whose paths match one of `members` are kept.
    Their names are these paths with "--" for "/", without the folders that all of them are in. `local` is a folder
    that may hold the package.
    """

    name: str
    mirrors: tuple[str, ...]
    address: str
    sha256_of_file: str
    members: tuple[str, ...]
    local: Path | None = None

    @property
    def folder(self) -> str:
        """The name of its folder in the models folder."""
        return f"{self.name}-{self.sha256()[:12]}"

    def sha256(self) -> str:
        """Return the sha256 of the package's own and of the members."""
        return hashlib.sha256(json.dumps([self.sha256_of_file, *self.members]).encode()).hexdigest()

    def write(self, fresh: Path, temporary: Path, models: Path) -> None:
        """Write the members to the folder `fresh`.

        Raises UserError if they cannot be fetched, or if the package is not the pinned one.
        """
        file = PurePosixPath(self.address).name
        local_file = self.local / file if self.local else None
        path = local_file if local_file and local_file.is_file() else self._download(temporary / file, models)
        verify_sha256(path, self.sha256_of_file)
        names = self._unpack(path, temporary / "members")
        if not names:
            raise UserError(f"{file} has no file {' or '.join(self.members)}; it is not the one that was pinned")
        folders = _common_folders(names)
        for number, name in enumerate(names):
            short = "--".join(PurePosixPath(name).parts[folders:])
            shutil.move(temporary / "members" / str(number), fresh / short)

    def _download(self, path: Path, models: Path) -> Path:
        problem: Exception | None = None
        for mirror in self.mirrors:
            try:
                download(f"{mirror}/{self.address}", path)
                return path
            except OSError as error:
                problem = problem or error
        raise UserError(
            f"cannot fetch {self.mirrors[0]}/{self.address} ({problem}): be online once, or set TONELAKE_SOUNDFONTS "
            f"to a folder with {path.name}, or copy the folder {self.folder} from another machine to {models}"
        ) from problem

    def _unpack(self, package: Path, folder: Path) -> list[str]:
        """Write the files that match as 0, 1, 2; return their paths in the package."""
        folder.mkdir()
        names: list[str] = []
        for name, content in _read_files(package):
            if any(fnmatch(name, pattern) for pattern in self.members):
                with (folder / str(len(names))).open("wb") as file:
                    shutil.copyfileobj(content, file, 1 << 20)
                names.append(name)
        return names


def fetch_package(package: SoundPackage, models: Path, local: Path | None) -> Path:
    """Return the folder of a package's files, from the folder `local` or downloaded.

    Raises UserError if that fails.
    """
    return weights_folder(replace(package, local=local), models)


def _read_files(package: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield path and content of each file of a .deb or tar archive."""
    if package.suffix == ".deb":
        with package.open("rb") as file:
            yield from read_package(file)
        return
    with tarfile.open(package) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                yield member.name, content


def _common_folders(names: list[str]) -> int:
    """Return the number of leading folders that all paths share."""
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    shared = zip(*folders, strict=False)
    return next((number for number, parts in enumerate(shared) if len({*parts}) > 1), min(map(len, folders)))
