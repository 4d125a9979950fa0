"""Exports of a lake: their places and releases, so that a takedown finds them."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from schemas.tables import key

NEIGHBOURS = "neighbours"
FORMATS = ("parquet", "npy", "lance", "faiss", "hnsw", NEIGHBOURS)
SIMILAR = "similar"  # in rows of tonelake 0.2 and earlier: one Parquet file of neighbours
DEFAULT_K = 100  # neighbours of each track

EXPORTS = pa.schema(
    [
        key("uri"),
        pa.field("release", pa.int64()),  # null: of a named table, as it was then
        pa.field("since", pa.int64()),  # only what changed since that release
        pa.field("format", pa.string()),
        pa.field("encoder", pa.string()),
        pa.field("embedding_version", pa.string()),
        pa.field("k", pa.int32()),  # of neighbours
        pa.field("available_on", pa.string()),  # only tracks available on this day,
        pa.field("territory", pa.string()),  # and in this territory
        pa.field("tracks", pa.int64()),  # null: started, not finished
        pa.field("host", pa.string()),  # of a local path: the machine,
        pa.field("mount", pa.string()),  # and its mount point there
        pa.field("run_id", pa.string()),
        pa.field("at", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True, slots=True)
class Export:
    """A row of `exports`. It is written when the export starts, and again with `tracks` at its end."""

    uri: str
    release: int | None
    since: int | None
    format: str
    encoder: str
    embedding_version: str
    run_id: str
    at: datetime
    k: int | None = None
    available_on: str | None = None
    territory: str | None = None
    tracks: int | None = None
    host: str | None = None
    mount: str | None = None

    def row(self) -> dict[str, Any]:
        """Return the row, for the table and for output."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RebuiltExport:
    """The result of rebuilding an export.

    `state` is "written anew", "unchanged", "removed" (its release is retired, or none of its tracks is left), "gone"
    (its owner deleted it) or "out of reach" (it cannot be reached from here).
    """

    uri: str
    state: str
    message: str
