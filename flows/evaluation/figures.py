"""Figures of an evaluation run and rows of the leaderboard, with their JSON and text."""

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from lake.benchmarks.results import EvaluationRow
from schemas.benchmarks import DESCRIPTION_TASKS
from schemas.evaluations import Figure


@dataclass(frozen=True, slots=True)
class EvaluatedFigure:
    """A figure of an evaluation run.

    `unchanged`: an earlier run computed it. `pending`: the number of clips that another run has still to embed.
    """

    row: EvaluationRow
    unchanged: bool
    pending: int

    def to_json(self) -> dict[str, Any]:
        """Return the columns of the row, with `unchanged` and `pending`."""
        return self.row.to_json() | {"unchanged": self.unchanged, "pending": self.pending}


@dataclass(frozen=True, slots=True)
class LeaderboardRow:
    """A system on one benchmark by one protocol.

    `figures` are by metric. `source` is the run id of our own evaluations and the reference of published ones.
    Published rows have no interval and none of the fields from `evaluation_id` on.
    """

    benchmark: str
    protocol: str
    system: str
    main_metric: str
    figures: dict[str, Figure]
    published: bool
    source: str
    embedding_version: str = ""
    how: str = ""
    evaluation_id: str | None = None
    corpus: str | None = None
    split_hash: str | None = None
    parameters: str | None = None
    prompt: str | None = None
    coverage: float | None = None
    expected: int | None = None
    embedded: int | None = None
    partial: bool = False
    dropped: tuple[str, ...] = ()
    at: datetime | None = None

    @property
    def main_figure(self) -> Figure:
        """The figure of the main metric."""
        return self.figures[self.main_metric]

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name; `figures` maps a metric to its value, low and high."""
        figures = {
            metric: {"value": figure.value, "low": figure.low, "high": figure.high}
            for metric, figure in self.figures.items()
        }
        return asdict(self) | {"figures": figures, "dropped": list(self.dropped)}


def coverage_text(row: LeaderboardRow) -> str:
    """Return how many clips were evaluated.

    If the evaluation is partial (under 99 % of a split's clips), the lowest coverage of a split follows.
    """
    if row.published:
        return ""
    text = f"{row.embedded:,} of {row.expected:,}"
    return f"{text}: partial, worst split {row.coverage:.1%}" if row.partial else text


def dropped_text(row: LeaderboardRow, max_names: int) -> str:
    """Return how many classes, queries or clips no figure counts, and their first names."""
    names = ", ".join(row.dropped[:max_names]) + (" ..." if len(row.dropped) > max_names else "")
    kind = "queries" if row.protocol.endswith("retrieval") else "classes"
    if row.protocol in DESCRIPTION_TASKS:
        reasons = Counter(name.rsplit(": ", 1)[1] for name in row.dropped)
        kind = f"clips ({', '.join(f'{count:,} {reason}' for reason, count in reasons.items())})"
    return f"{len(row.dropped):,} {kind}: {names}"


def figure_text(figure: Figure | None, with_interval: bool = True) -> str:
    """Return the value and, if there is one, its interval."""
    if figure is None:
        return ""
    digits = 3 if abs(figure.value) < 10 else 1
    text = f"{figure.value:.{digits}f}"
    if not with_interval or figure.low is None:
        return text
    return f"{text} ({figure.low:.{digits}f}-{figure.high:.{digits}f})"
