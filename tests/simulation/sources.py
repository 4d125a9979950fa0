"""The sources of a simulated catalogue: two folders and a manifest on disk, which change."""

import csv
import os
from dataclasses import dataclass, field
from pathlib import Path

import fsspec

from lake.sources.listing import source_version
from lake.storage.store import open_file_system
from schemas.settings import S3Settings
from tests.simulation.sounds import sound

FOLDERS = ("music", "more")
MANIFEST = "label/manifest.csv"
_FIRST_MTIME_NS = 1_800_000_000_000_000_000


@dataclass
class ManifestLine:
    """One line: a track of the label."""

    track_id: str
    path: str
    title: str


@dataclass
class Sources:
    """The files below `root`, by path, with the number of their content; and the manifest's lines.

    `versions` maps every source_version that a file ever had to the content's number.
    """

    root: Path
    files: dict[str, int] = field(default_factory=dict)
    lines: list[ManifestLine] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    _changes: int = 0
    _disk: fsspec.AbstractFileSystem = field(default_factory=lambda: open_file_system("", S3Settings()))

    def address(self, source: str) -> str:
        """Return what a user would type for a source."""
        return str(self.root / source)

    def folder_files(self, folder: str) -> list[str]:
        return sorted(path for path in self.files if path.startswith(f"{folder}/"))

    def write(self, path: str, content: int) -> None:
        """Write a file; its time of modification is another each time."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(sound(content))
        self.files[path] = content
        self.touch(path)

    def remove(self, path: str) -> None:
        (self.root / path).unlink()
        del self.files[path]

    def move(self, path: str, to: str) -> None:
        """Move a file to a path, whose own file is replaced."""
        (self.root / to).parent.mkdir(parents=True, exist_ok=True)
        os.replace(self.root / path, self.root / to)
        self.files[to] = self.files.pop(path)
        self._remember(to)

    def swap(self, first: str, second: str) -> None:
        """Let two files change places."""
        if first != second:
            self.move(first, "spare.wav")
            self.move(second, first)
            self.move("spare.wav", second)

    def write_manifest(self) -> None:
        """Write the manifest's lines as they are now."""
        path = self.root / MANIFEST
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["track_id", "uri", "title"])
            for line in self.lines:
                writer.writerow([line.track_id, os.path.relpath(line.path, "label"), line.title])

    def listed(self, source: str) -> dict[str, tuple[str, int | None]]:
        """Return what a source lists: track_id or path -> the path and the content, None for a missing file."""
        if source == MANIFEST:
            return {line.track_id: (line.path, self.files.get(line.path)) for line in self.lines}
        return {path: (path, self.files[path]) for path in self.folder_files(source)}

    def touch(self, path: str) -> None:
        """Change the time of a file, not its content."""
        self._changes += 1
        time = _FIRST_MTIME_NS + self._changes * 1_000_000_000
        os.utime(self.root / path, ns=(time, time))
        self._remember(path)

    def _remember(self, path: str) -> None:
        info = self._disk.info(str(self.root / path))
        self.versions[source_version(info)] = self.files[path]
