"""Tables that a refresh uses: the registered sources, and the aliases of moved tracks."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from schemas.tables import key

_UTC = pa.timestamp("us", tz="UTC")

SOURCES = pa.schema(
    [
        key("source"),  # the absolute folder or file, the s3 prefix or the manifest
        pa.field("added_at", _UTC),
        pa.field("last_listed_at", _UTC),  # by a refresh, or by the `index` that added it
        pa.field("tracks", pa.int64()),  # in that listing
    ]
)


@dataclass(frozen=True, slots=True)
class RegisteredSource:
    """A row of the table `sources`; `tracks` is None until a source is listed.

    `allowed_outside` is not in the table: the locations outside its folder that a manifest may name, as this machine
    remembers.
    """

    source: str
    added_at: datetime | None  # None: not registered
    last_listed_at: datetime | None
    tracks: int | None
    allowed_outside: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the row as an object."""
        return asdict(self)


# A track's id is derived from its path. A track whose file moved keeps its first id: new path's id -> that id.
TRACK_ALIASES = pa.schema([key("path_id"), pa.field("track_id", pa.string())])
