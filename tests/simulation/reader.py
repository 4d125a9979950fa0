"""A plain reader of a lake: Lance and a listing of files, none of tonelake's code."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import lance
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.settings import S3Settings

_open = lance.dataset  # the plain one: the simulator replaces the name in the module


FileState = tuple[int, int, int]  # inode, size, time of the last change in nanoseconds


@dataclass(frozen=True, slots=True)
class TableContent:
    """The rows, the schema and the number of one version of a table. Do not change the rows."""

    rows: list[dict[str, Any]]
    schema: pa.Schema
    version: int


@dataclass
class PlainReader:
    """Reads the tables below a local path or an s3:// prefix.

    A table whose files are all what they were is not read again: most steps change a few tables only.
    """

    uri: str
    s3: S3Settings = field(default_factory=S3Settings)
    _contents: dict[tuple[str, int | None], tuple[dict[str, FileState], TableContent]] = field(default_factory=dict)

    @property
    def on_s3(self) -> bool:
        return self.uri.startswith("s3://")

    def names(self) -> list[str]:
        """Return the names of the tables that have a version."""
        if not self.on_s3:
            return sorted(
                name for name in _table_names(self.uri) if _has_manifest(f"{self.uri}/{name}.lance/_versions")
            )
        return sorted({PurePosixPath(path).parents[1].stem for path in self.glob("*.lance/_versions/*.manifest")})

    def glob(self, pattern: str) -> list[str]:
        """Return the paths of the lake's files that match a pattern, sorted."""
        if not self.on_s3:
            return sorted(map(str, Path(self.uri).glob(pattern)))
        return sorted(fsspec.filesystem("s3", **self.s3.fsspec_options()).glob(f"{self.uri}/{pattern}"))

    def open(self, name: str, version: int | None = None) -> lance.LanceDataset:
        options = self.s3.lance_options() if self.on_s3 else None
        return _open(f"{self.uri}/{name}.lance", version=version, storage_options=options)

    def content(self, name: str, version: int | None = None) -> TableContent:
        """Read a table, unless all its files are what they were when it was read before."""
        files = {} if self.on_s3 else _file_states(f"{self.uri}/{name}.lance")
        files_before, content = self._contents.get((name, version), ({}, None))
        if content is None or not files or files != files_before:
            table = self.open(name, version)
            content = TableContent(table.to_table().to_pylist(), table.schema, table.version)
            self._contents[name, version] = files, content
        return content

    def rows(self, name: str, version: int | None = None) -> list[dict[str, Any]]:
        """Return the rows of a table; none if it does not exist."""
        if version is None and not self.exists(name):
            return []
        return self.content(name, version).rows

    def exists(self, name: str) -> bool:
        """Tell whether a table has a version."""
        return name in self.names() if self.on_s3 else _has_manifest(f"{self.uri}/{name}.lance/_versions")

    def column(self, name: str, column: str) -> list[Any]:
        """Return one column of a table, sorted."""
        return sorted(row[column] for row in self.rows(name))

    def versions(self, name: str) -> list[int]:
        return [version["version"] for version in self.open(name).versions()]


def _table_names(folder: str) -> list[str]:
    if not os.path.isdir(folder):
        return []
    return [name.removesuffix(".lance") for name in os.listdir(folder) if name.endswith(".lance")]


def _has_manifest(folder: str) -> bool:
    return os.path.isdir(folder) and any(name.endswith(".manifest") for name in os.listdir(folder))


def _file_states(folder: str) -> dict[str, FileState]:
    """Return the state of each file below a folder, by its path: what is written anew has another."""
    states = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                states |= _file_states(entry.path)
            else:
                info = entry.stat()
                states[entry.path] = (info.st_ino, info.st_size, info.st_mtime_ns)
    return states


def read_exports(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield the path and the track_ids of each file of rows in the exports below a folder."""
    for path in sorted(folder.rglob("*.parquet")):
        if path.name != "removed.parquet":
            yield path, pq.read_table(path, columns=["track_id"])["track_id"].to_pylist()
    for path in sorted(folder.rglob("tracks.lance")):
        yield path, _open(str(path)).to_table(columns=["track_id"])["track_id"].to_pylist()


@dataclass
class Observation:
    """All rows of all tables at one moment, by table name."""

    tables: dict[str, list[dict[str, Any]]]
    schemas: dict[str, pa.Schema]
    versions: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, reader: PlainReader) -> "Observation":
        tables, schemas, versions = {}, {}, {}
        for name in reader.names():
            content = reader.content(name)
            tables[name], schemas[name], versions[name] = content.rows, content.schema, content.version
        return cls(tables, schemas, versions)

    def rows(self, name: str) -> list[dict[str, Any]]:
        return self.tables.get(name, [])

    def of_kind(self, kind: str) -> dict[str, list[dict[str, Any]]]:
        """Return the tables whose name begins with `kind__`."""
        return {name: rows for name, rows in self.tables.items() if name.startswith(f"{kind}__")}

    def repeated_keys(self) -> dict[str, list[Any]]:
        """Return the keys that stand in several rows, by table."""
        repeated = {}
        for name, rows in self.tables.items():
            key = next(field.name for field in self.schemas[name] if field.metadata)
            counts = Counter(row[key] for row in rows)
            if keys := [value for value, count in counts.items() if count > 1]:
                repeated[name] = keys
        return repeated

    @property
    def active(self) -> dict[str, dict[str, Any]]:
        """The active tracks of the registry, by track_id."""
        return {row["track_id"]: row for row in self.rows("tracks") if row["state"] == "active"}


def to_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)
