"""Published releases, their snapshots, and the checks of the promotion gate."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

RELEASES = pa.schema(
    [
        pa.field("number", pa.int64(), nullable=False, metadata={b"lance-schema:unenforced-primary-key": b"true"}),
        pa.field("encoder", pa.string()),
        pa.field("embedding_version", pa.string()),
        pa.field("table", pa.string()),
        pa.field("lance_version", pa.int64()),
        pa.field("tracks", pa.int64()),
        pa.field("run_id", pa.string()),
        pa.field("command", pa.string()),  # index, promote, rollback ...
        pa.field("gate", pa.string()),  # JSON: the checks
        pa.field("forced", pa.bool_()),
        pa.field("reason", pa.string()),  # why it was forced
        pa.field("republishes", pa.int64()),  # the earlier release that a rollback published again
        pa.field("published_at", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the gate's table. `passed` None means not judged, and `reason` says why.

    `value` is compared with `limit`; `low` and `high` are its 95 % interval if it is a paired difference.
    """

    name: str
    passed: bool | None
    reason: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None

    @property
    def verdict(self) -> str:
        return "not judged" if self.passed is None else "passed" if self.passed else "FAILED"

    def to_json(self) -> dict[str, Any]:
        """Return the fields and the verdict as a JSON object."""
        return asdict(self) | {"verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An embeddings table as it was at one Lance version."""

    encoder: str
    embedding_version: str
    table: str
    lance_version: int
    tracks: int


@dataclass(frozen=True, slots=True)
class Release:
    """A snapshot that was published under a number.

    `republishes` is the number of the earlier release that a rollback published again.
    """

    number: int
    snapshot: Snapshot
    run_id: str
    command: str
    published_at: datetime
    gate: tuple[Check, ...] = ()
    forced: bool = False
    reason: str | None = None
    republishes: int | None = None

    @property
    def title(self) -> str:
        """The name of the release in messages."""
        return f"release {self.number} ({self.snapshot.encoder} {self.snapshot.embedding_version})"

    @property
    def tag(self) -> str:
        """The Lance tag that keeps the snapshot's files."""
        return f"release-{self.number}"

    def row(self) -> dict[str, Any]:
        """Return the row of the table."""
        columns = {name: getattr(self, name) for name in self.__slots__ if name not in ("snapshot", "gate")}
        return columns | asdict(self.snapshot) | {"gate": json.dumps([asdict(check) for check in self.gate])}

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object; those of the snapshot stand beside the others."""
        fields = asdict(self)
        snapshot: dict[str, Any] = fields.pop("snapshot")
        return snapshot | fields | {"gate": [check.to_json() for check in self.gate]}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "Release":
        """Return the release from a row of the table."""
        row = dict(row)
        gate = tuple(Check(**check) for check in json.loads(row.pop("gate")))
        return cls(snapshot=Snapshot(**{name: row.pop(name) for name in Snapshot.__slots__}), gate=gate, **row)
