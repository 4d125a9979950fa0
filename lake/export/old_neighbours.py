"""Files of `tonelake similar`, as tonelake wrote them until 0.2. Only a takedown looks for them."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from platformdirs import user_cache_path

from lake.export.formats import METADATA_KEY
from lake.storage.store import open_file_system, require_reachable
from schemas.settings import S3Settings


@dataclass(frozen=True)
class OldNeighboursFile:
    """A local or s3:// Parquet file, and the parts that a killed run left."""

    uri: str
    s3: S3Settings

    @cached_property
    def file_system(self) -> fsspec.AbstractFileSystem:
        """The file system of the file. Raises UserError if its store does not answer."""
        if self.uri.startswith("s3://"):
            require_reachable(self.s3)
        return open_file_system(self.uri, self.s3)

    @property
    def staging_dir(self) -> Path:
        """The folder of the parts. For a file in a store it is in this user's cache."""
        if self.uri.startswith("s3://"):
            return user_cache_path("tonelake") / f"similar-{hashlib.sha256(self.uri.encode()).hexdigest()[:16]}"
        path = Path(self.uri)
        return path.with_name(f".{path.name}.unfinished")

    def read_plan(self) -> dict[str, Any] | None:
        """Return the plan of the file or of its parts; None if there is neither."""
        plan_file = self.staging_dir / "plan.json"
        plan: dict[str, Any] | None = self._read_metadata()
        return plan or (json.loads(plan_file.read_text()) if plan_file.exists() else None)

    def is_started(self) -> bool:
        """Return whether the file or parts of it exist."""
        return self.read_plan() is not None

    def remove(self) -> None:
        """Remove the file and its parts. Another file that its owner put in its place stays."""
        self.remove_parts()
        if self._read_metadata() is not None:
            self.file_system.rm_file(self.uri)

    def remove_parts(self) -> None:
        """Remove the parts that a killed run left."""
        if (self.staging_dir / "plan.json").exists():
            shutil.rmtree(self.staging_dir)

    def _read_metadata(self) -> dict[str, Any] | None:
        """Return the plan in the file's metadata; None if there is no file of neighbours."""
        try:
            with self.file_system.open(self.uri, "rb") as file:
                plan: dict[str, Any] = json.loads((pq.read_metadata(file).metadata or {})[METADATA_KEY])
                return plan
        except (FileNotFoundError, IsADirectoryError, pa.ArrowInvalid, KeyError):
            return None
