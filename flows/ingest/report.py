"""Request, report and estimate of `tonelake index`; coverage and cost as text."""

from dataclasses import asdict, dataclass
from typing import Any

from flows.ingest.cost import Cost, CostEstimate
from schemas.encoders import EncoderSpec
from schemas.errors import require_no_credentials
from schemas.runs import Coverage, Searchable


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
    """What a run did for one encoder.

    `coverage` counts the tracks of its sources after the run, `searchable` the rows of the whole table. `unfinished`
    tracks were requested from this run and are still pending.
    """

    run_id: str
    encoder: str
    embedding_version: str
    coverage: Coverage
    searchable: Searchable
    new: int
    skipped: int
    embedded_now: int
    copied: int  # of `embedded_now`: from rows of identical files
    unfinished: int
    audio_seconds: float
    realtime_factor: float
    cost: Cost

    @classmethod
    def of(
        cls,
        run_id: str,
        spec: EncoderSpec,
        coverage: Coverage,
        searchable: Searchable,
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
            coverage=coverage,
            searchable=searchable,
            new=new,
            skipped=skipped,
            embedded_now=tally.embedded,
            copied=tally.copied,
            unfinished=tally.unfinished,
            audio_seconds=round(tally.audio_seconds, 1),
            realtime_factor=round(tally.audio_seconds / max(0.1, cost.wall_seconds), 1),
            cost=cost,
        )

    @property
    def title(self) -> str:
        return f"{self.encoder} {self.embedding_version}, run {self.run_id}"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; coverage and cost are spread into it. The table `runs` stores it."""
        return {
            "run_id": self.run_id,
            "encoder": self.encoder,
            "embedding_version": self.embedding_version,
            "expected": self.coverage.expected,
            "embedded": self.coverage.embedded,
            "quarantined": self.coverage.quarantined,
            "pending": self.coverage.pending,
            **self.searchable.to_json(),
            "new": self.new,
            "skipped": self.skipped,
            "embedded_now": self.embedded_now,
            "copied": self.copied,
            "unfinished": self.unfinished,
            "audio_seconds": self.audio_seconds,
            "realtime_factor": self.realtime_factor,
            "reasons": self.coverage.reasons,
            **asdict(self.cost),
        }


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """What a run would do for one encoder; `coverage` is the current one.

    `missing` counts the pending tracks whose file does not exist: a run quarantines them, and embeds `would_embed`.
    `new` and `skipped` count the tracks of the sources. They are None in the report of a refresh, which counts the
    changes once for all encoders.
    """

    encoder: str
    embedding_version: str
    coverage: Coverage
    would_embed: int
    cost: CostEstimate
    missing: int = 0
    new: int | None = None
    skipped: int | None = None

    @property
    def title(self) -> str:
        return f"{self.encoder} {self.embedding_version}, would do"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; coverage and cost are spread into it."""
        counts = {"new": self.new, "skipped": self.skipped}
        return {
            "encoder": self.encoder,
            "embedding_version": self.embedding_version,
            **self.coverage.to_json(),
            **{name: number for name, number in counts.items() if number is not None},
            "would_embed": self.would_embed,
            "missing": self.missing,
            **asdict(self.cost),
        }


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


def coverage_rows(coverage: Coverage) -> list[tuple[str, int]]:
    """Return the rows (name, number) of expected = embedded + quarantined + pending."""
    return [
        ("expected", coverage.expected),
        ("embedded", coverage.embedded),
        ("quarantined", coverage.quarantined),
        *((f"  {reason}", number) for reason, number in sorted(coverage.reasons.items())),
        ("pending", coverage.pending),
    ]


def report_rows(report: IndexReport | RunEstimate) -> list[tuple[str, int]]:
    """Return the rows (name, number) of a report.

    They are those of its coverage and, after a run, of what search finds: in the whole lake, if the coverage is that
    of some sources.
    """
    rows = coverage_rows(report.coverage)
    if not isinstance(report, IndexReport):
        return rows
    lake_rows = searchable_rows(report.searchable)
    if lake_rows and report.searchable.embedded != report.coverage.embedded:
        lake_rows = [("embedded", report.searchable.embedded), *lake_rows]
        lake_rows = [(f"in the whole lake: {name}", number) for name, number in lake_rows]
    return rows + lake_rows


def searchable_rows(searchable: Searchable) -> list[tuple[str, int]]:
    """Return the rows (name, number) of stale and searchable; none if nothing is stale."""
    if not searchable.stale:
        return []
    since = f" since {searchable.since:%Y-%m-%d}" if searchable.since else ""
    return [(f"stale{since}", searchable.stale), ("searchable", searchable.rows)]


def cost_line(cost: Cost | CostEstimate) -> str:
    """Return the cost of a run, or its estimate, as one line of text."""
    parts = [f"{cost.core_seconds:,.0f} core seconds"]
    if cost.gpu_seconds is not None:
        parts.append(f"{cost.gpu_seconds:,.0f} gpu seconds")
    if isinstance(cost, Cost):
        parts.append(f"{cost.bytes_written / 1e6:,.1f} MB written")
    if cost.cost is None:
        unknown = "" if cost.gpu_seconds is not None else ", or GPU seconds not known before a first run"
        parts.append(f"no price set{unknown}: TONELAKE_PRICE_CORE_HOUR, TONELAKE_PRICE_GPU_HOUR")
    else:
        parts.append(f"{cost.cost:,.2f} {cost.currency}")
    line = ", ".join(parts)
    if isinstance(cost, Cost) and len(cost.shared_with) > 1:
        return f"{line} (its share of one run of {' and '.join(cost.shared_with)})"
    return line


def coverage_markdown(report: IndexReport) -> str:
    """Return the coverage and the cost of a run, for Prefect's page."""
    lines = [f"## {report.title}", "", "| tracks | |", "|---|---|"]
    lines += [f"| {name.strip()} | {number:,} |" for name, number in report_rows(report)]
    lines += ["", f"{report.audio_seconds / 3600:.2f} h of audio in {report.cost.wall_seconds:.0f} s: "]
    copied = f" {report.copied:,} copied from identical files." if report.copied else ""
    return "\n".join(lines) + f"{report.realtime_factor:.0f}x real time.{copied}\n\n" + cost_line(report.cost)
