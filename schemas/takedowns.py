"""Takedowns: content that a rights owner had removed, and that must not come back."""

from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from schemas.exports import RebuiltExport
from schemas.tables import key

TAKEN_DOWN = "taken_down"  # the quarantine reason of blocked content

TAKEDOWNS = pa.schema(
    [
        key("key"),  # "track_id:" or "content_sha256:" and the value
        pa.field("run_id", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("begun_at", pa.timestamp("us", tz="UTC")),
        pa.field("done_at", pa.timestamp("us", tz="UTC")),  # null: killed before its end
    ]
)


@dataclass(frozen=True, slots=True)
class ErasureRecord:
    """What was erased from one table.

    `files` are all files that contained the rows, also those of old versions. The versions are counted.
    """

    lake: str
    table: str
    rows: int
    files: tuple[str, ...]
    versions_before: int
    versions_after: int


@dataclass(frozen=True, slots=True)
class RebuiltRelease:
    """A release that contained removed tracks, and its snapshot without them.

    `before` and `after` are Lance versions; `after` None means that the files of the release were given up.
    """

    release: int
    before: int
    after: int | None
    tracks: int


@dataclass(slots=True)
class Receipt:
    """The evidence of a takedown: what was removed where, and what was verified afterwards.

    It contains no vector and no name. `files_left` are files that contained removed rows and still exist, `rows_left`
    counts such rows in the versions that are left: both must be empty. `exports` has the result for each known copy.
    """

    run_id: str
    lake: str
    tracks: tuple[str, ...]
    contents: tuple[str, ...]
    reason: str | None
    tables: list[ErasureRecord] = field(default_factory=list)
    releases: list[RebuiltRelease] = field(default_factory=list)
    exports: list[RebuiltExport] = field(default_factory=list)
    versions_examined: int = 0
    files_left: list[str] = field(default_factory=list)
    rows_left: int = 0
    finished_at: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether no known copy is left."""
        reached = all(export.state != "out of reach" for export in self.exports)
        return reached and not self.rows_left and not self.files_left

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as a JSON object."""
        return asdict(self)
