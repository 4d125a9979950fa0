"""The report of `tonelake refresh`: changes of the sources, a report for each encoder."""

from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from flows.ingest.report import IndexReport, RunEstimate

_CHANGES = ("new", "changed", "touched", "moved", "returned", "vanished", "described")  # as they are printed

EncoderReport = TypeVar("EncoderReport", IndexReport, RunEstimate)


@dataclass(frozen=True, slots=True)
class SourceChanges:
    """Counts of listed, skipped and hashed tracks, and of each kind of change.

    A track counts as one kind of change, but "described" (new metadata) counts on top.
    """

    listed: int
    skipped: int
    new: int
    changed: int
    touched: int
    moved: int
    returned: int
    described: int
    vanished: int
    hashed: int


@dataclass(frozen=True, slots=True)
class RefreshReport(Generic[EncoderReport]):
    """What a refresh changed and embedded; a dry run has estimates instead of reports."""

    sources: tuple[str, ...]
    changes: SourceChanges
    listing_seconds: float
    planning_seconds: float
    encoders: tuple[EncoderReport, ...]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; the changes are spread into it."""
        return {
            "sources": list(self.sources),
            **asdict(self.changes),
            "listing_seconds": self.listing_seconds,
            "planning_seconds": self.planning_seconds,
            "encoders": [encoder.to_json() for encoder in self.encoders],
        }

    @property
    def title(self) -> str:
        return f"{self.changes.listed:,} tracks in {len(self.sources)} sources"


def change_rows(changes: SourceChanges) -> list[tuple[str, int]]:
    """Return the rows (name, number) of the kinds of change."""
    return [(name, getattr(changes, name)) for name in _CHANGES]


def changes_markdown(report: RefreshReport[IndexReport]) -> str:
    """Return the number of changes that a refresh found, for Prefect's page."""
    lines = [report.title, "", "| tracks | |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {number:,} |" for name, number in change_rows(report.changes)])
