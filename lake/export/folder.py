"""Where an export is written: nobody sees it before it is whole, and a killed one goes on with the files it has.

On a local disk all is written in a hidden folder beside the export's, which a rename puts in its place. In a store,
which cannot rename, every file appears whole; manifest.json comes last and makes them an export.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec

from lake.storage.lake import file_system, require_reachable
from schemas.errors import UserError, require_no_keys
from schemas.settings import S3Settings

MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"  # the plan of an export that is being written
_CHUNK = 16 << 20
_OURS = re.compile(
    r"(part-\d{5}|tracks|removed)\.parquet|vectors\.npy|index\.(faiss|hnsw)|tracks\.lance/.*"
    r"|(manifest|unfinished)\.json"
)


@dataclass(frozen=True)
class Folder:
    """An export's folder, a local path or s3://bucket/prefix."""

    uri: str
    s3: S3Settings

    @classmethod
    def at(cls, uri: str, s3: S3Settings) -> "Folder":
        """Nothing is read or made yet; UserError where no export can be there."""
        require_no_keys(uri)
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
    def files(self) -> fsspec.AbstractFileSystem:
        """The file system that it is on."""
        return file_system(self.uri, self.s3)

    @property
    def stage(self) -> str:
        """Where files are written before the export is whole."""
        return self._beside("unfinished") if self.is_local else self.uri

    def manifest(self) -> dict[str, Any] | None:
        """That of a whole export; None where there is none."""
        found, plan = self._json(f"{self.uri}/{MANIFEST}"), self._json(f"{self.uri}/{UNFINISHED}")
        return None if found is None or (plan and not fits(found, plan)) else found

    def plan(self) -> dict[str, Any] | None:
        """What an export here, whole or not, is of; UserError where what is there is none of tonelake's."""
        places = (f"{self.uri}/{MANIFEST}", f"{self.uri}/{UNFINISHED}", f"{self.stage}/{UNFINISHED}")
        return next(filter(None, map(self._json, places)), None)

    def names(self) -> list[str]:
        """Files in the folder, as paths below it."""
        try:
            found = self.files.find(self.uri)
        except FileNotFoundError:
            return []
        return sorted(path.split(self.uri.removeprefix("s3://"), 1)[1].lstrip("/") for path in found)

    def is_begun(self) -> bool:
        """Whether an export was begun here, whole or not."""
        there = [f"{self.uri}/{MANIFEST}", f"{self.uri}/{UNFINISHED}", f"{self.stage}/{UNFINISHED}"]
        return any(map(self.files.exists, there)) or (self.is_local and os.path.exists(self._beside("replaced")))

    def begin(self, plan: dict[str, Any]) -> None:
        """Makes ready to write; what was written by another plan goes."""
        replaced = self._beside("replaced")
        if self.is_local and os.path.exists(replaced):  # killed between two renames, or after them
            shutil.rmtree(replaced) if os.path.exists(self.uri) else os.rename(replaced, self.uri)
        if self._json(f"{self.stage}/{UNFINISHED}") == plan:
            return
        if self.is_local:
            shutil.rmtree(self.stage, ignore_errors=True)
            os.makedirs(self.stage)
        self.files.pipe_file(f"{self.stage}/{UNFINISHED}", json.dumps(plan).encode())
        if not self.is_local:
            if self.files.exists(f"{self.uri}/{MANIFEST}"):  # first: from here on this is no export
                self.files.rm_file(f"{self.uri}/{MANIFEST}")
            self._remove_ours(but=UNFINISHED)

    @contextmanager
    def writing(self, name: str) -> Iterator[str]:
        """A path to write a file to, which appears under its name once it is whole; an s3:// one for a data set."""
        unfinished = f"{self.stage}/{name}.writing"
        if self.is_local:
            if os.path.isdir(unfinished):
                shutil.rmtree(unfinished)
            yield unfinished
            os.replace(unfinished, f"{self.stage}/{name}")
        elif name.endswith(".lance"):
            if self.files.exists(f"{self.uri}/{name}"):
                self.files.rm(f"{self.uri}/{name}", recursive=True)
            yield f"{self.uri}/{name}"
        else:
            with tempfile.TemporaryDirectory() as folder:
                yield f"{folder}/{name}"
                self.files.put_file(f"{folder}/{name}", f"{self.uri}/{name}")

    def holds(self, name: str) -> bool:
        """Whether the file was written before, and whole: a data set in a store may not be."""
        return self.files.exists(f"{self.stage}/{name}") and (self.is_local or not name.endswith(".lance"))

    def below(self, name: str) -> list[str]:
        """The files of a data set, or the file itself, as paths in the folder."""
        root = self.stage.removeprefix("s3://")
        return sorted(path.split(root, 1)[1].lstrip("/") for path in self.files.find(f"{self.stage}/{name}"))

    def file(self, name: str) -> dict[str, Any]:
        """Name, bytes and sha256 of a file, read back from where it lies."""
        digest, size = hashlib.sha256(), 0
        with self.files.open(f"{self.stage}/{name}", "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
        return {"name": name, "bytes": size, "sha256": digest.hexdigest()}

    def complete(self, manifest: dict[str, Any]) -> None:
        """The manifest, last; then it is an export, in place of the one that was there."""
        self.files.pipe_file(f"{self.stage}/{MANIFEST}", json.dumps(manifest, indent=1).encode())
        if self.is_local:
            if os.path.isdir(self.uri) and os.listdir(self.uri):
                for name in filter(_is_foreign, self.names()):  # what its owner put beside it stays
                    os.makedirs(os.path.dirname(f"{self.stage}/{name}"), exist_ok=True)
                    shutil.copy2(f"{self.uri}/{name}", f"{self.stage}/{name}")
                os.rename(self.uri, self._beside("replaced"))
            os.rename(self.stage, self.uri)
        self.settle()

    def settle(self) -> None:
        """Of an export that is in its place, all that was written on the way goes; also of one that was killed."""
        if self.is_local:
            for folder in (self.stage, self._beside("replaced")):
                shutil.rmtree(folder, ignore_errors=True)
        if self.files.exists(f"{self.uri}/{UNFINISHED}"):
            self.files.rm_file(f"{self.uri}/{UNFINISHED}")

    def remove(self) -> None:
        """The export goes, and whatever was left of others here; what its owner put beside it stays."""
        self._remove_ours()
        self.settle()
        if self.is_local and os.path.isdir(self.uri) and not self.names():
            shutil.rmtree(self.uri)

    def _remove_ours(self, but: str = "") -> None:
        for name in self.names():
            if name != but and not _is_foreign(name):
                self.files.rm_file(f"{self.uri}/{name}")

    def _beside(self, what: str) -> str:
        path = Path(self.uri)
        return str(path.with_name(f".{path.name}.{what}"))

    def _json(self, path: str) -> dict[str, Any] | None:
        try:
            found = json.loads(self.files.cat_file(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError:
            found = None
        if not isinstance(found, dict) or "embedding_version" not in found:
            raise UserError(f"{path} is no manifest of tonelake: give another folder")
        return found


def fits(manifest: dict[str, Any], plan: dict[str, Any]) -> bool:
    """Whether an export is what the plan would write."""
    return all(manifest.get(name) == value for name, value in plan.items())


def _is_foreign(name: str) -> bool:
    return _OURS.fullmatch(name) is None
