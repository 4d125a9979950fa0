"""The last runs of a lake, as rows of a page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lake.catalogue.runs import Run
from schemas import clock


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run; `seconds` are those until now if it is running. What a command does not count is None."""

    run_id: str
    command: str
    encoder: str | None
    status: str
    started_at: datetime
    seconds: float
    embedded: int | None
    quarantined: int | None
    cost: str

    @classmethod
    def of(cls, run: Run) -> "RunRow":
        """Return the row of a run."""
        counts = run.counts if isinstance(run.counts, dict) else {}  # some commands report a list
        seconds = ((run.finished_at or clock.now()) - run.started_at).total_seconds()
        numbers = counts.get("embedded_now"), counts.get("quarantined")
        names = run.run_id, run.command, run.encoder, run.status
        return cls(*names, run.started_at, seconds, *numbers, _cost(counts))

    @property
    def is_running(self) -> bool:
        return self.status == "running"


def _cost(counts: dict[str, Any]) -> str:
    """Return the price of a run.

    Without prices in the settings, return its core and GPU seconds.
    """
    if counts.get("cost") is not None:
        return f"{counts['cost']:,.2f} {counts.get('currency', '')}".strip()
    units = (("core_seconds", "core s"), ("gpu_seconds", "GPU s"))
    return ", ".join(f"{counts[name]:,.0f} {unit}" for name, unit in units if counts.get(name))
