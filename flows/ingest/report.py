"""What is asked of a run and what it answers: the JSON of `tonelake index`."""

from dataclasses import asdict, dataclass

from flows.ingest.cost import Bill
from schemas.encoders import EncoderSpec
from schemas.errors import require_no_keys
from schemas.runs import Coverage


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """`sources` to index; with `retry`, instead of them, what the lake holds in quarantine."""

    sources: tuple[str, ...] = ()
    windows: int | None = None
    limit: int | None = None
    retry: bool = False

    def __post_init__(self) -> None:
        for source in self.sources:  # before Prefect writes them down
            require_no_keys(source)


@dataclass(frozen=True, slots=True)
class IndexReport:
    """Counts of the run's sources after it; `unfinished` of what it was asked to embed is still pending.

    The last fields are the bill: see `Bill`.
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
    copied: int  # of these, from rows of identical files
    unfinished: int
    audio_seconds: float
    realtime_factor: float
    reasons: dict[str, int]
    wall_seconds: float
    core_seconds: float
    gpu_seconds: float
    bytes_written: int
    money: float | None
    currency: str
    together: tuple[str, ...]

    @classmethod
    def of(
        cls,
        run_id: str,
        spec: EncoderSpec,
        found: Coverage,
        done: "Tally",
        new: int,
        skipped: int,
        bill: Bill,
    ) -> "IndexReport":
        """Puts the coverage of the sources and the run's own tally together."""
        return cls(
            run_id=run_id,
            encoder=spec.name,
            embedding_version=spec.embedding_version,
            expected=found.expected,
            embedded=found.embedded,
            quarantined=found.quarantined,
            pending=found.pending,
            new=new,
            skipped=skipped,
            embedded_now=done.embedded,
            copied=done.copied,
            unfinished=done.unfinished,
            audio_seconds=round(done.audio_seconds, 1),
            realtime_factor=round(done.audio_seconds / max(0.1, bill.wall_seconds), 1),
            reasons=found.reasons,
            **asdict(bill),
        )


@dataclass(slots=True)
class Tally:
    """The run's own count of what it asked for and was answered, apart from the tables' count."""

    limit: int | None = None
    asked: int = 0
    embedded: int = 0
    copied: int = 0
    quarantined: int = 0
    lost: int = 0
    changed: int = 0  # embedded, but from a file that was replaced after it was listed
    audio_seconds: float = 0.0
    held: tuple[int, int] = (1, 0)  # cores and GPUs: this process's own, until audio is heard on Ray

    @property
    def unfinished(self) -> int:
        return self.lost + self.changed

    @property
    def left(self) -> int | None:
        """How many more tracks may be asked for."""
        return None if self.limit is None else self.limit - self.asked
