"""A plain reader of a lake: Lance and a directory listing, none of tonelake's code."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa

_open = lance.dataset  # the plain one: the simulator replaces the name in the module


@dataclass
class PlainReader:
    """Reads the tables below a local path."""

    uri: str

    def names(self) -> list[str]:
        """Return the names of the tables that have a version."""
        return sorted({path.parents[1].stem for path in Path(self.uri).glob("*.lance/_versions/*.manifest")})

    def open(self, name: str, version: int | None = None) -> lance.LanceDataset:
        return _open(f"{self.uri}/{name}.lance", version=version)

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
