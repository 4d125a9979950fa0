"""Request, counts and report of `tonelake index`; its coverage and cost as text."""

from dataclasses import asdict, dataclass
from typing import Any

from flows.ingest.cost import Cost
from schemas.encoders import EncoderSpec
from schemas.errors import require_no_credentials
from schemas.runs import Coverage

CHANGE_COUNTS = ("new", "changed", "touched", "moved", "returned", "vanished", "described")  # JSON keys of a refresh
COST_KEYS = {"core_seconds", "gpu_seconds", "bytes_written", "cost", "currency", "shared_with"}  # in `cost_line`


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """What to index: `sources`, or with `retry` the tracks that the lake holds in quarantine."""

    sources: tuple[str, ...] = ()
    max_windows: int | None = None
    limit: int | None = None
    retry: bool = False

    def __post_init__(self) -> None:
        for source in self.sources:  # before Prefect stores them
            require_no_credentials(source)


@dataclass(frozen=True, slots=True)
class IndexReport:
    """Counts of the run's sources after the run.

    `unfinished` tracks were requested from this run and are still pending. The last seven fields are those of `Cost`.
    """

    run_id: str
    encoder: str
    embedding_version: str
    expected: int
    embedded: int
    quarantined: int
    pending: int
    new: int
    skipped: int
    embedded_now: int
    copied: int  # of `embedded_now`: from rows of identical files
    unfinished: int
    audio_seconds: float
    realtime_factor: float
    reasons: dict[str, int]
    wall_seconds: float
    core_seconds: float
    gpu_seconds: float
    bytes_written: int
    cost: float | None
    currency: str
    shared_with: tuple[str, ...]

    @classmethod
    def of(
        cls,
        run_id: str,
        spec: EncoderSpec,
        coverage: Coverage,
        tally: "Tally",
        new: int,
        skipped: int,
        cost: Cost,
    ) -> "IndexReport":
        """Combine the coverage of the sources with the run's own tally and cost."""
        return cls(
            run_id=run_id,
            encoder=spec.name,
            embedding_version=spec.embedding_version,
            expected=coverage.expected,
            embedded=coverage.embedded,
            quarantined=coverage.quarantined,
            pending=coverage.pending,
            new=new,
            skipped=skipped,
            embedded_now=tally.embedded,
            copied=tally.copied,
            unfinished=tally.unfinished,
            audio_seconds=round(tally.audio_seconds, 1),
            realtime_factor=round(tally.audio_seconds / max(0.1, cost.wall_seconds), 1),
            reasons=coverage.reasons,
            **asdict(cost),
        )


@dataclass(slots=True)
class Tally:
    """The run's own count of requested tracks and their outcomes, independent of the tables."""

    limit: int | None = None
    requested: int = 0
    embedded: int = 0
    copied: int = 0
    quarantined: int = 0
    lost: int = 0
    changed: int = 0  # embedded, but from a file that was replaced after it was listed
    audio_seconds: float = 0.0
    reserved: tuple[int, int] = (1, 0)  # cores and GPUs: of this process alone, until Ray decodes audio

    @property
    def unfinished(self) -> int:
        return self.lost + self.changed

    @property
    def remaining(self) -> int | None:
        """How many more tracks the run may request; None without a limit."""
        return None if self.limit is None else self.limit - self.requested


def coverage_rows(counts: dict[str, Any]) -> list[list[Any]]:
    """Return the rows (name, number) of expected = embedded + quarantined + pending."""
    rows = [["expected", counts["expected"]], ["embedded", counts["embedded"]]]
    rows += [["quarantined", counts["quarantined"]]]
    rows += [[f"  {reason}", number] for reason, number in sorted(counts["reasons"].items())]
    return [*rows, ["pending", counts["pending"]]]


def cost_line(counts: dict[str, Any]) -> str:
    """Return the cost of a run, or its estimate, as one line of text."""
    parts = []
    for name, unit in (("core_seconds", "core seconds"), ("gpu_seconds", "gpu seconds")):
        if counts.get(name) is not None:
            parts.append(f"{counts[name]:,.0f} {unit}")
    if "bytes_written" in counts:
        parts.append(f"{counts['bytes_written'] / 1e6:,.1f} MB written")
    if counts["cost"] is None:
        parts.append("cost unknown: set TONELAKE_PRICE_CORE_HOUR and TONELAKE_PRICE_GPU_HOUR")
    else:
        parts.append(f"{counts['cost']:,.2f} {counts['currency']}")
    line = ", ".join(parts)
    encoders = counts.get("shared_with", ())
    return f"{line} (its share of one run of {' and '.join(encoders)})" if len(encoders) > 1 else line


def coverage_markdown(report: IndexReport) -> str:
    """Return the coverage and the cost of a run, for Prefect's page."""
    lines = [f"## {report.encoder} {report.embedding_version}, run {report.run_id}", "", "| tracks | |", "|---|---|"]
    lines += [f"| {name.strip()} | {number:,} |" for name, number in coverage_rows(asdict(report))]
    lines += ["", f"{report.audio_seconds / 3600:.2f} h of audio in {report.wall_seconds:.0f} s: "]
    copied = f" {report.copied:,} copied from identical files." if report.copied else ""
    return "\n".join(lines) + f"{report.realtime_factor:.0f}x real time.{copied}\n\n" + cost_line(asdict(report))


def changes_markdown(report: dict[str, Any]) -> str:
    """Return the number of changes that a refresh found, for Prefect's page."""
    lines = [f"{report['listed']:,} tracks in {len(report['sources'])} sources", "", "| tracks | |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {report[name]:,} |" for name in CHANGE_COUNTS])
