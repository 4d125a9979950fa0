"""The book of runs: what was asked, by which version, and what came of it."""

import json
import secrets
import socket
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lake.storage.lake import OUT_OF_REACH, Lake
from schemas.encoders import EncoderSpec
from schemas.redaction import redacted
from schemas.runs import RUNS


def new_run_id() -> str:
    """Sorts by time, and differs between two runs of one second."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


class RunRecord:
    """One row of `runs`: "running" when the run starts, "done" by `done`, "failed" when it ends without."""

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
            "parameters": redacted(json.dumps(parameters)),
            "status": "running",
            "host": socket.gethostname(),
            "started_at": datetime.now(UTC),
        }

    def __enter__(self) -> "RunRecord":
        self._write()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind:
            self._row |= {"status": "failed", "finished_at": datetime.now(UTC)}
            with suppress(*OUT_OF_REACH):  # what ended the run is to be told; `maintain` marks what stayed "running"
                self._lake.require_answer()
                self._write()

    def done(self, counts: dict[str, Any]) -> None:
        """The run reached its end with these counts."""
        self._row |= {"status": "done", "counts": redacted(json.dumps(counts)), "finished_at": datetime.now(UTC)}
        self._write()

    def _write(self) -> None:
        self._lake.upsert("runs", RUNS, pa.Table.from_pylist([self._row], schema=RUNS))


def last_finished(lake: Lake) -> dict[tuple[str, str], datetime]:
    """When the last run of each command ended, by (command, "done" or "failed")."""
    if "runs" not in lake.names():
        return {}
    rows = lake.table("runs").to_table(columns=["command", "status", "finished_at"], filter="finished_at IS NOT NULL")
    latest = rows.group_by(["command", "status"]).aggregate([("finished_at", "max")]).to_pylist()
    return {(row["command"], row["status"]): row["finished_at_max"] for row in latest}


def last_counts(lake: Lake, embedding_version: str) -> dict[str, Any] | None:
    """Counts of the last finished run of a version, the basis of estimates: alone, for a minute or more.

    Of a run that heard several encoders at once nobody knows what each of them took.
    """
    if "runs" not in lake.names():
        return None
    where = f"command = 'index' AND status = 'done' AND embedding_version = '{embedding_version}'"
    rows = lake.table("runs").to_table(columns=["counts", "finished_at"], filter=where).sort_by("finished_at")
    counts = [json.loads(text) for text in rows["counts"].to_pylist()]
    return next(filter(_tells, reversed(counts)), None)


def _tells(count: dict[str, Any]) -> bool:
    return count["audio_seconds"] > 0 and count["wall_seconds"] >= 60 and len(count.get("together", ())) == 1
