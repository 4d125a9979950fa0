"""What left the lake: every export, where it lies and of which release, so that a takedown finds it."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from schemas.tables import key

FORMATS = ("parquet", "npy", "lance", "faiss", "hnsw")
SIMILAR = "similar"  # the format of a file of nearest neighbours

EXPORTS = pa.schema(
    [
        key("uri"),
        pa.field("release", pa.int64()),  # null: of a table that was named, as it was then
        pa.field("since", pa.int64()),  # only what changed since that release
        pa.field("format", pa.string()),
        pa.field("encoder", pa.string()),
        pa.field("embedding_version", pa.string()),
        pa.field("k", pa.int32()),  # of a file of neighbours
        pa.field("tracks", pa.int64()),  # null: begun, not finished
        pa.field("host", pa.string()),  # of a local path: where it lies,
        pa.field("mount", pa.string()),  # and on which mount point there
        pa.field("run_id", pa.string()),
        pa.field("at", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True, slots=True)
class Export:
    """A row of `exports`. It is written when the export begins, and again with its `tracks` when it is whole."""

    uri: str
    release: int | None
    since: int | None
    format: str
    encoder: str
    embedding_version: str
    run_id: str
    at: datetime
    k: int | None = None
    tracks: int | None = None
    host: str | None = None
    mount: str | None = None

    def row(self) -> dict[str, Any]:
        """For the table and for people."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What became of an export that was to be written anew.

    `state` is "written anew", "unchanged", "removed" (its release is retired, or nothing is left of it), "gone" (its
    owner deleted it) or "out of reach".
    """

    uri: str
    state: str
    message: str
