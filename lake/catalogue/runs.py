"""The table `runs`: each command's parameters, encoder version, status and resulting counts."""

import json
import secrets
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

import pyarrow as pa

from lake.storage.filters import in_clause
from lake.storage.lake import STORAGE_ERRORS, Lake
from lake.storage.old_forms import current_counts
from schemas import clock
from schemas.encoders import EncoderSpec
from schemas.redaction import redact
from schemas.runs import RUNS

_MIN_WALL_SECONDS = 60.0  # of a run that estimates go by


def new_run_id() -> str:
    """Return an id that sorts by time and is unique within a second too."""
    return f"{clock.now():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


class RunRecord:
    """The row of one run: "running" inside the `with` block, "done" after `finish`, else "failed"."""

    def __init__(
        self, lake: Lake, run_id: str, command: str, spec: EncoderSpec | None, parameters: dict[str, Any]
    ) -> None:
        self._lake = lake
        self._row: dict[str, Any] = {
            "run_id": run_id,
            "command": command,
            "encoder": spec.name if spec else None,
            "embedding_version": spec.embedding_version if spec else None,
            "sources": parameters.get("sources"),
            "parameters": redact(json.dumps(parameters)),
            "status": "running",
            "host": socket.gethostname(),
            "started_at": clock.now(),
        }

    def __enter__(self) -> "RunRecord":
        self._write()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind:
            self._row |= {"status": "failed", "finished_at": clock.now()}
            # A storage error here must not hide the error that ended the run; `maintain` marks the row later.
            with suppress(*STORAGE_ERRORS):
                self._lake.require_store()
                self._write()

    def finish(self, counts: dict[str, Any]) -> None:
        """Mark the run as done and store its counts."""
        self._row |= {"status": "done", "counts": redact(json.dumps(counts)), "finished_at": clock.now()}
        self._write()

    def _write(self) -> None:
        self._lake.upsert("runs", RUNS, pa.Table.from_pylist([self._row], schema=RUNS))


def last_finish_times(lake: Lake) -> dict[tuple[str, str], datetime]:
    """Return when the last run of each command ended, by (command, "done" or "failed")."""
    table = lake.find_table("runs")
    if table is None:
        return {}
    rows = table.to_table(columns=["command", "status", "finished_at"], filter="finished_at IS NOT NULL")
    latest = rows.group_by(["command", "status"]).aggregate([("finished_at", "max")]).to_pylist()
    return {(row["command"], row["status"]): row["finished_at_max"] for row in latest}


@dataclass(frozen=True, slots=True)
class Run:
    """A run as the table has it. `status` is running, done or failed; `counts` are those of its report."""

    run_id: str
    command: str
    encoder: str | None
    embedding_version: str | None
    sources: list[str] | None
    parameters: dict[str, Any]
    status: str
    counts: dict[str, Any]
    host: str | None
    started_at: datetime
    finished_at: datetime | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        finished = self.finished_at.isoformat() if self.finished_at else None
        return asdict(self) | {"started_at": self.started_at.isoformat(), "finished_at": finished}


def list_runs(lake: Lake) -> list[Run]:
    """Return every run, the last one that started first."""
    table = lake.find_table("runs")
    if table is None:
        return []
    rows = table.to_table(columns=[field.name for field in fields(Run)])
    rows = rows.sort_by([("started_at", "descending"), ("run_id", "descending")]).to_pylist()
    return [Run(**row | {name: json.loads(row[name] or "{}") for name in ("parameters", "counts")}) for row in rows]


@dataclass(frozen=True, slots=True)
class RunCounts:
    """The audio that a run embedded and the time that it took."""

    run_id: str
    audio_seconds: float
    wall_seconds: float
    core_seconds: float
    gpu_seconds: float


def last_counts(lake: Lake, embedding_version: str) -> RunCounts | None:
    """Return the counts of the last index run of a version, None without one.

    Estimates go by them. Only runs count that took a minute or more and embedded audio with this encoder alone: the
    cost of several encoders in one run cannot be split between them.
    """
    table = lake.find_table("runs")
    if table is None:
        return None
    where = f"command = 'index' AND status = 'done' AND embedding_version = '{embedding_version}'"
    rows = table.to_table(columns=["counts", "finished_at"], filter=where).sort_by("finished_at")
    for text in reversed(rows["counts"].to_pylist()):
        counts = current_counts(json.loads(text))
        if _is_usable(counts):
            return RunCounts(**{field.name: counts[field.name] for field in fields(RunCounts)})
    return None


def _is_usable(counts: dict[str, Any]) -> bool:
    is_long = counts["audio_seconds"] > 0 and counts["wall_seconds"] >= _MIN_WALL_SECONDS
    return is_long and len(counts.get("shared_with", ())) == 1


def stale_runs(lake: Lake, living: set[str]) -> list[str]:
    """Return the ids of runs marked as running that are not in `living`."""
    table = lake.find_table("runs")
    if table is None:
        return []
    rows = table.to_table(columns=["run_id"], filter="status = 'running'")
    return [run_id for run_id in rows["run_id"].to_pylist() if run_id not in living]


def mark_failed(lake: Lake, run_ids: list[str]) -> None:
    """Mark runs as failed, ended now."""
    if run_ids:
        rows = lake.table("runs").to_table(filter=in_clause("run_id", run_ids)).to_pylist()
        failed = [row | {"status": "failed", "finished_at": clock.now()} for row in rows]
        merge = lake.table("runs").merge_insert("run_id").when_matched_update_all()
        merge.execute(pa.Table.from_pylist(failed, schema=RUNS))
