"""What owners do to their files between two commands."""

from tests.simulation.sources import FOLDERS, ManifestLine, Sources


class Changes:
    """Changes of the sources. The numbers given to a change pick among what there is."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._next_content = 0
        self._next_damage = -1
        self._gone: list[tuple[str, int]] = []  # files that vanished, and may return

    def apply(self, name: str, choices: tuple[int, ...]) -> None:
        """Make a change by its name; nothing happens if there is nothing to change."""
        getattr(self, name)(*choices)
        if self.sources.lines:
            self.sources.write_manifest()

    def _new_content(self) -> int:
        self._next_content += 1
        return self._next_content - 1

    def _pick_file(self, number: int) -> str | None:
        files = sorted(self.sources.files)
        return files[number % len(files)] if files else None

    def add(self, folder: int, *_: int) -> None:
        content = self._new_content()
        self.sources.write(f"{FOLDERS[folder % len(FOLDERS)]}/{content:03d}.wav", content)

    def describe(self, title: int, *_: int) -> None:
        """Add a line to the manifest, with a new file."""
        content = self._new_content()
        path = f"label/audio/{content:03d}.wav"
        self.sources.write(path, content)
        self.sources.lines.append(ManifestLine(f"id-{content:03d}", path, f"Title {title}"))

    def change(self, file: int, *_: int) -> None:
        if path := self._pick_file(file):
            self.sources.write(path, self._new_content())

    def damage(self, file: int, *_: int) -> None:
        if path := self._pick_file(file):
            self._next_damage -= 1
            self.sources.write(path, self._next_damage)

    def touch(self, file: int, *_: int) -> None:
        if path := self._pick_file(file):
            self.sources.touch(path)

    def copy(self, file: int, folder: int, *_: int) -> None:
        """Write a second file with the content of a first one."""
        if path := self._pick_file(file):
            name = f"copy-{len(self.sources.versions):03d}.wav"
            self.sources.write(f"{FOLDERS[folder % len(FOLDERS)]}/{name}", self.sources.files[path])

    def move(self, file: int, folder: int, *_: int) -> None:
        """Move a file to a path where none was."""
        path = self._pick_file(file)
        if path and not path.startswith("label/"):
            name = f"moved-{len(self.sources.versions):03d}-{file}.wav"
            self.sources.move(path, f"{FOLDERS[folder % len(FOLDERS)]}/{name}")

    def move_onto(self, file: int, other: int, *_: int) -> None:
        """Move a file onto another one's place."""
        path, to = self._pick_file(file), self._pick_file(other)
        if path and to and path != to and not path.startswith("label/"):
            self.sources.move(path, to)

    def swap(self, file: int, other: int, *_: int) -> None:
        path, to = self._pick_file(file), self._pick_file(other)
        if path and to:
            self.sources.swap(path, to)

    def vanish(self, file: int, *_: int) -> None:
        if path := self._pick_file(file):
            self._gone.append((path, self.sources.files[path]))
            self.sources.remove(path)

    def return_file(self, number: int, *_: int) -> None:
        """Write a file that vanished again, unless another one lies there now."""
        if self._gone:
            path, content = self._gone.pop(number % len(self._gone))
            if path not in self.sources.files:
                self.sources.write(path, content)

    def list_twice(self, number: int, *_: int) -> None:
        """Let the manifest list a file a second time, under another id."""
        if lines := self.sources.lines:
            line = lines[number % len(lines)]
            self.sources.lines.append(ManifestLine(f"{line.track_id}-{len(lines)}", line.path, line.title))

    def retitle(self, number: int, title: int, *_: int) -> None:
        if lines := self.sources.lines:
            lines[number % len(lines)].title = f"Title {title}"
