"""A plain reader of a lake: Lance and a listing of files, none of tonelake's code."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import lance
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.settings import S3Settings

_open = lance.dataset  # the plain one: the simulator replaces the name in the module


@dataclass
class PlainReader:
    """Reads the tables below a local path or an s3:// prefix."""

    uri: str
    s3: S3Settings = field(default_factory=S3Settings)

    @property
    def on_s3(self) -> bool:
        return self.uri.startswith("s3://")

    def names(self) -> list[str]:
        """Return the names of the tables that have a version."""
        return sorted({PurePosixPath(path).parents[1].stem for path in self.glob("*.lance/_versions/*.manifest")})

    def glob(self, pattern: str) -> list[str]:
        """Return the paths of the lake's files that match a pattern, sorted."""
        if not self.on_s3:
            return sorted(map(str, Path(self.uri).glob(pattern)))
        return sorted(fsspec.filesystem("s3", **self.s3.fsspec_options()).glob(f"{self.uri}/{pattern}"))

    def open(self, name: str, version: int | None = None) -> lance.LanceDataset:
        options = self.s3.lance_options() if self.on_s3 else None
        return _open(f"{self.uri}/{name}.lance", version=version, storage_options=options)

    def rows(self, name: str, version: int | None = None) -> list[dict[str, Any]]:
        """Return the rows of a table; none if it does not exist."""
        if version is None and name not in self.names():
            return []
        return self.open(name, version).to_table().to_pylist()

    def column(self, name: str, column: str) -> list[Any]:
        """Return one column of a table, sorted."""
        if name not in self.names():
            return []
        return sorted(self.open(name).to_table(columns=[column])[column].to_pylist())

    def versions(self, name: str) -> list[int]:
        return [version["version"] for version in self.open(name).versions()]


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
            table = reader.open(name)
            tables[name], schemas[name] = table.to_table().to_pylist(), table.schema
            versions[name] = table.version
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
