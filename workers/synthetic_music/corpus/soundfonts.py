"""The soundfonts a corpus is rendered with: MIT, out of Debian packages that are unpacked and never installed.

content = read_soundfont(FLUID, soundfont(FLUID, settings.models, settings.soundfonts))
"""

import hashlib
import shutil
import struct
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

import numpy as np

from schemas.errors import UserError
from workers.weights.cache import download, weights_folder

POOL = "http://deb.debian.org/debian/pool/main"
SNAPSHOT = "http://snapshot.debian.org/archive/debian/20250520T000000Z/pool/main"  # where the pool has moved on
AR_HEADER = 60  # bytes before each member of a package, which is an ar archive
FILTER_CUTOFF = 8  # the number of this generator in a soundfont
OPEN = 13_500  # cents: 20 kHz


@dataclass(frozen=True, slots=True)
class DebianFont:
    """A soundfont in a Debian package (a Source of `workers.weights.cache`); `sha256_of_file` is the package's own.

    `local` is a folder that holds the package or the soundfont. `muffled` is a filter cutoff that the font opens with
    modulators, which the synthesizer does not know: notes with it would be up to 40 dB too soft.
    `own` are the programs that hold no sample of the font of training, by the samples' sha256.
    """

    name: str
    package: str
    sha256_of_file: str
    member: str
    sha256_of_member: str
    licence: str
    muffled: int | None = None
    own: frozenset[int] = frozenset()
    local: Path | None = None

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.sha256_of_member[:12]}"

    @property
    def file(self) -> str:
        return PurePosixPath(self.member).name

    def sha256(self) -> str:
        return self.sha256_of_member

    def write(self, fresh: Path, temporary: Path, models: Path) -> None:
        kept = self.local / self.file if self.local else None
        if kept and kept.is_file():
            shutil.copyfile(kept, fresh / self.file)
        else:
            with self._package(temporary, models).open("rb") as package:
                _unpack(package, self.member, fresh / self.file)
        check(fresh / self.file, self.sha256_of_member)

    def _package(self, temporary: Path, models: Path) -> Path:
        """The package's file: the local one, else a download."""
        file = PurePosixPath(self.package).name
        kept = self.local / file if self.local else None
        if kept and kept.is_file():
            return check(kept, self.sha256_of_file)
        problem: Exception | None = None
        for mirror in (POOL, SNAPSHOT):
            try:
                download(f"{mirror}/{self.package}", temporary / file)
                return check(temporary / file, self.sha256_of_file)
            except OSError as error:
                problem = problem or error
        raise UserError(
            f"cannot fetch {POOL}/{self.package} ({problem}): be online once, or set TONELAKE_SOUNDFONTS to a folder "
            f"with {file} or {self.file}, or copy the folder {self.folder} from another machine to {models}"
        ) from problem


FLUID = DebianFont(
    name="fluidr3-gm",
    package="f/fluid-soundfont/fluid-soundfont-gm_3.1-5.3_all.deb",
    sha256_of_file="6f531493ac4e4d9772fd96b2488ea1790af81c196135fbdd25997da0781fc60e",
    member="./usr/share/sounds/sf2/FluidR3_GM.sf2",
    sha256_of_member="74594e8f4250680adf590507a306655a299935343583256f3b722c48a1bc1cb0",
    licence="MIT (Frank Wen)",
)
MUSESCORE = DebianFont(
    name="musescore-general-full",
    package="m/musescore-general-soundfont/musescore-general-soundfont-lossless_0.2.1-1_all.deb",
    sha256_of_file="ece0ce63dc4d4d44fecbd3ee6761b328e66c189892b2b369cbd8e79b4411a82b",
    member="./usr/share/sounds/sf2/MuseScore_General_Full.sf2",
    sha256_of_member="59287cbb0f424ec76d1bc269eee40dfe0b02252588d72eb016b5d2382e710a8f",
    licence="MIT, parts public domain or CC0 (S. Christian Collins and others)",
    muffled=6237,  # its grand pianos
    # Of the other programs 85, and every drum kit, consist of FluidR3's samples alone, bit for bit.
    own=frozenset(
        map(int, "0 1 3 5 10 25 38 39 42 44 45 48 49 50 51 52 62 63 71 80 81 86 87 88 89 90 92 95 97 98".split())
    ),
)
FONTS = {"train": FLUID, "valid": MUSESCORE, "test": MUSESCORE}


def soundfont(font: DebianFont, models: Path, local: Path | None) -> Path:
    """The soundfont's path, fetched first where the models folder lacks it: from the folder `local` or the net."""
    return weights_folder(replace(font, local=local), models) / font.file


def read_soundfont(font: DebianFont, path: Path) -> bytes:
    """The soundfont as the synthesizer takes it."""
    return _opened(path.read_bytes(), font.muffled) if font.muffled else path.read_bytes()


def _opened(content: bytes, muffled: int) -> bytes:
    """The same soundfont with every filter of that cutoff opened."""
    changed = bytearray(content)
    at = changed.rindex(b"igen") + 4  # the instruments' generators: pairs of a number and an amount
    size = struct.unpack_from("<I", changed, at)[0]
    generators = np.frombuffer(changed, "<i2", size // 2, at + 4).reshape(-1, 2)
    generators[(generators[:, 0] == FILTER_CUTOFF) & (generators[:, 1] == muffled), 1] = OPEN
    del generators
    return bytes(changed)


def _unpack(package: BinaryIO, member: str, path: Path) -> None:
    """Writes one file out of a Debian package."""
    for name, content in files_of(package):
        if name == member:
            with path.open("wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
            return
    raise UserError(f"the package holds no file {member}; it is not the one that was pinned")


def files_of(package: BinaryIO) -> Iterator[tuple[str, IO[bytes]]]:
    """The files of a Debian package, an ar archive around data.tar.*, each to be read before the next is asked for."""
    for name in _ar_members(package):
        if name.startswith("data.tar"):
            with tarfile.open(fileobj=package, mode="r|*") as archive:
                for found in archive:
                    content = archive.extractfile(found) if found.isfile() else None
                    if content is not None:
                        yield found.name, content
            return


def _ar_members(package: BinaryIO) -> Iterator[str]:
    """The names of an ar archive's members; the file stands at each one's content when its name is given."""
    if package.read(8) != b"!<arch>\n":
        return
    while len(header := package.read(AR_HEADER)) == AR_HEADER:
        size, start = int(header[48:58]), package.tell()
        yield header[:16].decode("ascii").strip().rstrip("/")
        package.seek(start + size + size % 2)


def check(path: Path, digest: str) -> Path:
    """The path; UserError where the file is not of that sha256."""
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise UserError(
                f"{path.name} is not the file that was pinned: its sha256 differs; delete it and try again"
            )
    return path
