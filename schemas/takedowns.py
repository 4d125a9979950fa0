"""Takedowns: what a rights owner had removed, and must not come back."""

from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from schemas.tables import key

TAKEN_DOWN = "taken_down"  # the reason under which refused content is in quarantine

TAKEDOWNS = pa.schema(
    [
        key("key"),  # track_id: or content_sha256: and the value
        pa.field("run_id", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("begun_at", pa.timestamp("us", tz="UTC")),
        pa.field("done_at", pa.timestamp("us", tz="UTC")),  # null: killed on its way
    ]
)


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What was removed from one table: rows it had, files that held them (old ones too), versions before and after."""

    lake: str
    table: str
    rows: int
    files: tuple[str, ...]
    versions_before: int
    versions_after: int


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A release that held what was removed, and its snapshot without it; `after` None: its files were given up."""

    release: int
    before: int
    after: int | None
    tracks: int


@dataclass(slots=True)
class Receipt:
    """The evidence of a takedown: what was removed where, and what was looked at again afterwards. No vector, no name.

    `files_left` are files that held it and are still there, `rows_left` rows found in any version that is left: both
    must be empty. `exports` says what became of each copy that the lake knows of.
    """

    run_id: str
    lake: str
    tracks: tuple[str, ...]
    contents: tuple[str, ...]
    reason: str | None
    tables: list[Scrubbed] = field(default_factory=list)
    releases: list[Rebuilt] = field(default_factory=list)
    exports: list[dict[str, Any]] = field(default_factory=list)
    versions_examined: int = 0
    files_left: list[str] = field(default_factory=list)
    rows_left: int = 0
    finished_at: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
