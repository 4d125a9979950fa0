"""The tables `runs` and `encoders`, and coverage counts."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from schemas.tables import key

_UTC = pa.timestamp("us", tz="UTC")

ENCODERS = pa.schema(
    [
        key("embedding_version"),
        pa.field("name", pa.string()),
        pa.field("feature_version", pa.string()),
        pa.field("tags_version", pa.string()),
        pa.field("dim", pa.int32()),
        pa.field("spec", pa.string()),  # JSON of the EncoderSpec
        pa.field("created_at", _UTC),
    ]
)

RUNS = pa.schema(
    [
        key("run_id"),
        pa.field("command", pa.string()),
        pa.field("encoder", pa.string()),
        pa.field("embedding_version", pa.string()),
        pa.field("sources", pa.list_(pa.string())),
        pa.field("parameters", pa.string()),  # JSON
        pa.field("status", pa.string()),  # running, done, failed
        pa.field("counts", pa.string()),  # JSON of the report
        pa.field("host", pa.string()),
        pa.field("started_at", _UTC),
        pa.field("finished_at", _UTC),
    ]
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Counts of tracks: expected = embedded + quarantined + pending; `reasons` splits quarantined.

    Raises CoverageError if the counts do not add up.
    """

    expected: int = 0
    embedded: int = 0
    quarantined: int = 0
    pending: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.expected != self.embedded + self.quarantined + self.pending:
            raise CoverageError(f"coverage counts do not add up: {self}")
        if self.quarantined != sum(self.reasons.values()):
            raise CoverageError(f"quarantined differs from its reasons: {self}")

    def to_json(self) -> dict[str, Any]:
        """Return the counts as a JSON object."""
        return asdict(self)

    def __add__(self, other: "Coverage") -> "Coverage":
        return Coverage(
            self.expected + other.expected,
            self.embedded + other.embedded,
            self.quarantined + other.quarantined,
            self.pending + other.pending,
            dict(Counter(self.reasons) + Counter(other.reasons)),
        )


@dataclass(frozen=True, slots=True)
class Searchable:
    """Counts of the rows that search finds: embedded + stale.

    A stale row is of an earlier content of its file, or of an earlier tagger, or the file cannot be read now. `since`
    is the time of the oldest.
    """

    embedded: int = 0
    stale: int = 0
    since: datetime | None = None

    @property
    def rows(self) -> int:
        return self.embedded + self.stale

    def to_json(self) -> dict[str, Any]:
        """Return the counts as a JSON object."""
        since = self.since.isoformat() if self.since else None
        return {"searchable": self.rows, "stale": self.stale, "stale_since": since}


class CoverageError(Exception):
    """Two independent counts of the same tracks disagree.

    Either tonelake has a defect, or another program changed the lake.
    """
