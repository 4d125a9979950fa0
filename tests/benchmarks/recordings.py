"""Labelled real recordings from Debian packages: for evaluation, never for training.

manifest = fetch_recordings(Path("recordings"))

26 single instruments of gcompris (each file is named after its instrument), the music of Wesnoth and the songs of
Muldjord (genres in the files' tags).
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from workers.audio.metadata import read_tags
from workers.synthetic_music.sources.debian import POOL, read_package, verify_sha256
from workers.weights.sources import download

PACKAGES = (
    (
        "g/gcompris-qt/gcompris-qt-data_3.1-2_all.deb",
        "e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
    ),
    (
        "w/wesnoth-1.16/wesnoth-1.16-music_1.16.9-1_all.deb",
        "f9bc3cde92b4ab30db5d7b85f89b4bcc3d788dd92602956d0347250850bf59bb",
    ),
    (
        "f/fretsonfire-songs-muldjord/fretsonfire-songs-muldjord_2.dfsg-2.1_all.deb",
        "b37adf8b08b46d4182c283e760e4f40622d83674e05803960ea1e11a92600c7b",
    ),
)
INSTRUMENTS = "instruments.rcc"
NAMES = {
    "flute traversiere": "flute",
    "horn": "french horn",
    "bongo": "bongos",
    "cymbal": "cymbals",
}
GENRES = {"Romantic Classical": ("classical", "orchestral"), "Death Metal": ("death metal",)}


def fetch_recordings(folder: Path) -> Path:
    """Return a manifest of the recordings; missing packages are downloaded."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.jsonl"
    if not manifest.exists():
        for address, digest in PACKAGES:
            package = folder / PurePosixPath(address).name
            if not package.exists():
                download(f"{POOL}/{address}", package)
            _unpack(verify_sha256(package, digest), folder)
        lines = [json.dumps(row) for row in _rows(folder)]
        manifest.write_text("\n".join(lines) + "\n")
    return manifest


def _rows(folder: Path) -> Iterator[dict[str, object]]:
    for path in sorted(folder.glob("*.ogg")):
        source, name = path.stem.split("-", 1)
        if source == "gcompris":
            plain = name.replace("_", " ")
            yield {"uri": path.name, "track_id": path.stem, "split": "test", "tags": [NAMES.get(plain, plain)]}
            continue
        with path.open("rb") as file:
            genres = read_tags(file).genres
        if tags := [tag for genre in genres for tag in GENRES.get(genre, ())]:
            yield {"uri": path.name, "track_id": path.stem, "split": "test", "tags": tags}


def _unpack(package: Path, folder: Path) -> None:
    """Write every recording of the package as SOURCE-NAME.ogg, except stems and jingles."""
    with package.open("rb") as file:
        for name, content in read_package(file):
            _write_recording(PurePosixPath(name), content, folder)


def _write_recording(path: PurePosixPath, content: IO[bytes], folder: Path) -> None:
    if path.name == INSTRUMENTS:
        for name, sound in _resources(content.read()):
            if name.endswith(".ogg"):
                (folder / f"gcompris-{PurePosixPath(name).name}").write_bytes(sound)
    elif path.suffix == ".ogg" and "wesnoth" in str(path) and path.parent.name == "music":
        (folder / f"wesnoth-{path.name}").write_bytes(content.read())
    elif path.name == "song.ogg":
        (folder / f"muldjord-{path.parent.name}.ogg").write_bytes(content.read())


def _resources(bundle: bytes) -> Iterator[tuple[str, bytes]]:
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
