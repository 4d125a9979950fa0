"""The folder of an export. Exports are atomic, and a killed one continues with the files it has.

On a local disk all files are written to a hidden folder beside the export, and a rename puts it in place. A store
cannot rename: there every file appears whole, and manifest.json, written last, makes the files an export.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec

from lake.storage.store import open_file_system, require_reachable
from schemas.errors import UserError, require_no_credentials
from schemas.settings import S3Settings

MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"  # the plan of an export that is being written
_CHUNK_BYTES = 16 << 20
_EXPORTED_NAME = re.compile(
    r"((registry/)?part-\d{5}|tracks|removed)\.parquet|vectors\.npy|index\.(faiss|hnsw)|tracks\.lance/.*"
    r"|(manifest|unfinished)\.json"
)


@dataclass(frozen=True)
class ExportFolder:
    """An export's folder, a local path or s3://bucket/prefix."""

    uri: str
    s3: S3Settings

    @classmethod
    def at(cls, uri: str, s3: S3Settings) -> "ExportFolder":
        """Return the folder at `uri`. Nothing is read or written yet.

        Raises UserError if no export can be written there.
        """
        require_no_credentials(uri)
        if "://" not in uri:
            uri = os.path.abspath(os.path.expanduser(uri))
            if os.path.isfile(uri) or os.path.ismount(uri):
                what = "a file" if os.path.isfile(uri) else "a mount point, which cannot be renamed"
                raise UserError(f"{uri} is {what}: name a folder below one, such as {uri.rstrip('/')}/export")
        elif uri.startswith("s3://"):
            require_reachable(s3)
        else:
            raise UserError(f"cannot export to {uri}: use a local path or s3://bucket/prefix")
        return cls(uri.rstrip("/"), s3)

    @property
    def is_local(self) -> bool:
        return not self.uri.startswith("s3://")

    @cached_property
    def file_system(self) -> fsspec.AbstractFileSystem:
        """The file system of the folder."""
        return open_file_system(self.uri, self.s3)

    @property
    def staging_dir(self) -> str:
        """Where files are written before the export is whole."""
        return self._sibling("unfinished") if self.is_local else self.uri

    def read_manifest(self) -> dict[str, Any] | None:
        """Return the manifest of a whole export, or None.

        Raises UserError if the file is no manifest of an export.
        """
        manifest, plan = self._read_json(f"{self.uri}/{MANIFEST}"), self._read_json(f"{self.uri}/{UNFINISHED}")
        if manifest is None or (plan and not matches_plan(manifest, plan)):
            return None
        return manifest

    def read_plan(self) -> dict[str, Any] | None:
        """Return the manifest or the plan of an export here, whole or not.

        Returns None if there is none. Raises UserError if the file is neither.
        """
        return next(filter(None, map(self._read_json, self._plan_paths())), None)

    def file_names(self) -> list[str]:
        """Return the files in the folder, as sorted paths below it."""
        try:
            paths = self.file_system.find(self.uri)
        except FileNotFoundError:
            return []
        return sorted(path.split(self.uri.removeprefix("s3://"), 1)[1].lstrip("/") for path in paths)

    def is_started(self) -> bool:
        """Return whether an export exists or was started here."""
        if any(map(self.file_system.exists, self._plan_paths())):
            return True
        return self.is_local and os.path.exists(self._sibling("replaced"))

    def start(self, plan: dict[str, Any]) -> None:
        """Prepare to write. Files that were written by another plan are removed."""
        replaced = self._sibling("replaced")
        if self.is_local and os.path.exists(replaced):  # killed between the two renames of `complete`, or after them
            if os.path.exists(self.uri):
                shutil.rmtree(replaced)
            else:
                os.rename(replaced, self.uri)
        if self._read_json(f"{self.staging_dir}/{UNFINISHED}") == plan:
            return
        if self.is_local:
            shutil.rmtree(self.staging_dir, ignore_errors=True)
            os.makedirs(self.staging_dir)
        self.file_system.pipe_file(f"{self.staging_dir}/{UNFINISHED}", json.dumps(plan).encode())
        if not self.is_local:
            if self.file_system.exists(f"{self.uri}/{MANIFEST}"):  # first: without it the files are no export
                self.file_system.rm_file(f"{self.uri}/{MANIFEST}")
            self._remove_exported_files(but=UNFINISHED)

    @contextmanager
    def writing(self, name: str) -> Iterator[str]:
        """Yield a path to write a file to.

        The file gets its name once it is whole. A Lance data set in a store is written in its place: the path is an
        s3:// one.
        """
        unfinished = f"{self.staging_dir}/{name}.writing"
        if self.is_local:
            os.makedirs(os.path.dirname(unfinished), exist_ok=True)
            if os.path.isdir(unfinished):
                shutil.rmtree(unfinished)
            yield unfinished
            os.replace(unfinished, f"{self.staging_dir}/{name}")
        elif name.endswith(".lance"):
            if self.file_system.exists(f"{self.uri}/{name}"):
                self.file_system.rm(f"{self.uri}/{name}", recursive=True)
            yield f"{self.uri}/{name}"
        else:
            with tempfile.TemporaryDirectory() as folder:
                path = f"{folder}/{os.path.basename(name)}"
                yield path
                self.file_system.put_file(path, f"{self.uri}/{name}")

    def has_file(self, name: str) -> bool:
        """Return whether a whole file was written before. A data set in a store may not be whole."""
        is_written = self.file_system.exists(f"{self.staging_dir}/{name}")
        return is_written and (self.is_local or not name.endswith(".lance"))

    def staged_files(self, name: str) -> list[str]:
        """Return the staged file, or the files of a data set, as sorted paths."""
        root = self.staging_dir.removeprefix("s3://")
        paths = self.file_system.find(f"{self.staging_dir}/{name}")
        return sorted(path.split(root, 1)[1].lstrip("/") for path in paths)

    def describe_file(self, name: str) -> dict[str, Any]:
        """Return name, bytes and sha256 of a file, read back from where it was written."""
        digest, size = hashlib.sha256(), 0
        with self.file_system.open(f"{self.staging_dir}/{name}", "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
        return {"name": name, "bytes": size, "sha256": digest.hexdigest()}

    def complete(self, manifest: dict[str, Any]) -> None:
        """Write the manifest; then the export is whole and replaces an earlier one.

        Files that its owner put into the folder stay.
        """
        self.file_system.pipe_file(f"{self.staging_dir}/{MANIFEST}", json.dumps(manifest, indent=1).encode())
        if self.is_local:
            if os.path.isdir(self.uri) and os.listdir(self.uri):
                for name in filter(_is_foreign, self.file_names()):
                    os.makedirs(os.path.dirname(f"{self.staging_dir}/{name}"), exist_ok=True)
                    shutil.copy2(f"{self.uri}/{name}", f"{self.staging_dir}/{name}")
                os.rename(self.uri, self._sibling("replaced"))
            os.rename(self.staging_dir, self.uri)
        self.remove_temporary_files()

    def remove_temporary_files(self) -> None:
        """Remove what a finished or killed export wrote on its way."""
        if self.is_local:
            for folder in (self.staging_dir, self._sibling("replaced")):
                shutil.rmtree(folder, ignore_errors=True)
        if self.file_system.exists(f"{self.uri}/{UNFINISHED}"):
            self.file_system.rm_file(f"{self.uri}/{UNFINISHED}")

    def remove(self) -> None:
        """Remove the export and what is left of earlier ones. Its owner's files stay."""
        self._remove_exported_files()
        self.remove_temporary_files()
        if self.is_local and os.path.isdir(self.uri) and not self.file_names():
            shutil.rmtree(self.uri)

    def _remove_exported_files(self, but: str = "") -> None:
        for name in self.file_names():
            if name != but and not _is_foreign(name):
                self.file_system.rm_file(f"{self.uri}/{name}")
                for parent in Path(name).parents[:-1] if self.is_local else ():
                    with suppress(OSError):  # the last file of a folder takes the folder with it
                        os.rmdir(f"{self.uri}/{parent}")

    def _plan_paths(self) -> list[str]:
        """Return the paths of files that name the plan of an export."""
        return [f"{self.uri}/{MANIFEST}", f"{self.uri}/{UNFINISHED}", f"{self.staging_dir}/{UNFINISHED}"]

    def _sibling(self, suffix: str) -> str:
        """Return the path of a hidden folder beside the export."""
        path = Path(self.uri)
        return str(path.with_name(f".{path.name}.{suffix}"))

    def _read_json(self, path: str) -> dict[str, Any] | None:
        try:
            content = json.loads(self.file_system.cat_file(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError:
            content = None
        if not isinstance(content, dict) or "embedding_version" not in content:
            raise UserError(f"{path} is no manifest of tonelake: give another folder")
        return content


def matches_plan(manifest: dict[str, Any], plan: dict[str, Any]) -> bool:
    """Return whether an export is what the plan would write."""
    return all(manifest.get(name) == value for name, value in plan.items())


def _is_foreign(name: str) -> bool:
    """Return whether tonelake never writes a file of that name."""
    return _EXPORTED_NAME.fullmatch(name) is None
