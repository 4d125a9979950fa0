"""The last runs of a lake, as rows of a page."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lake.storage.lake import Lake
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

    @property
    def is_running(self) -> bool:
        return self.status == "running"


def last_runs(lake: Lake, count: int) -> list[RunRow]:
    """Return the newest runs, the newest first."""
    table = lake.find_table("runs")
    if table is None:
        return []
    rows = table.to_table().sort_by([("started_at", "descending")]).slice(0, count)
    return [_run_row(row) for row in rows.to_pylist()]


def _run_row(row: dict[str, Any]) -> RunRow:
    counts = json.loads(row["counts"] or "{}")
    counts = counts if isinstance(counts, dict) else {}
    seconds = ((row["finished_at"] or clock.now()) - row["started_at"]).total_seconds()
    return RunRow(
        run_id=row["run_id"],
        command=row["command"],
        encoder=row["encoder"],
        status=row["status"],
        started_at=row["started_at"],
        seconds=seconds,
        embedded=counts.get("embedded_now"),
        quarantined=counts.get("quarantined"),
        cost=_cost(counts),
    )


def _cost(counts: dict[str, Any]) -> str:
    """Return the price of a run; without prices in the settings its core and GPU seconds."""
    if counts.get("cost") is not None:
        return f"{counts['cost']:,.2f} {counts.get('currency', '')}".strip()
    units = (("core_seconds", "core s"), ("gpu_seconds", "GPU s"))
    return ", ".join(f"{counts[name]:,.0f} {unit}" for name, unit in units if counts.get(name))
