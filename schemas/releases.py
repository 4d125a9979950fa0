"""What readers read: published releases, the snapshots they name, and the checks that let them through."""

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
        pa.field("again", pa.int64()),  # the earlier release that a rollback published again
        pa.field("published_at", pa.timestamp("us", tz="UTC")),
    ]
)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a gate's table. `passed` None: not judged, and `reason` says why.

    `value` is held against `limit`; `low` and `high` are its 95 % interval where it is a paired difference.
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
    """A snapshot that was published under a number. `again`: the earlier release that a rollback published again."""

    number: int
    snapshot: Snapshot
    run_id: str
    command: str
    published_at: datetime
    gate: tuple[Check, ...] = ()
    forced: bool = False
    reason: str | None = None
    again: int | None = None

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"release {self.number} ({self.snapshot.encoder} {self.snapshot.embedding_version})"

    @property
    def tag(self) -> str:
        """The Lance tag that keeps the snapshot's files."""
        return f"release-{self.number}"

    def row(self) -> dict[str, Any]:
        """For the table."""
        own = {name: getattr(self, name) for name in self.__slots__ if name not in ("snapshot", "gate")}
        return own | asdict(self.snapshot) | {"gate": json.dumps([asdict(check) for check in self.gate])}

    @classmethod
    def of(cls, row: dict[str, Any]) -> "Release":
        """What `row` wrote."""
        row = dict(row)
        gate = tuple(Check(**check) for check in json.loads(row.pop("gate")))
        return cls(snapshot=Snapshot(**{name: row.pop(name) for name in Snapshot.__slots__}), gate=gate, **row)
