"""Results of evaluations: the table `evaluations`, and the predictions in Parquet files beside it."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.storage.filters import string_literal
from lake.storage.lake import Lake, validate_name
from lake.storage.lease import Lease
from lake.storage.old_forms import read_table
from schemas import clock
from schemas.evaluations import EVALUATIONS, Evaluation

TABLE = "evaluations"


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """A row of the table `evaluations`: one figure of one evaluation. The columns are in schemas/evaluations.py."""

    key: str
    evaluation_id: str
    run_id: str
    at: datetime
    confirmed_at: datetime
    benchmark: str
    revision: str
    split_hash: str
    protocol: str
    prompt: str | None
    inputs: str
    parameters: str
    chosen: str | None
    encoder: str
    corpus: str
    embedding_version: str
    max_windows: int | None
    vectors_hash: str
    metric: str
    metric_version: int
    is_main: bool
    value: float
    low: float | None
    high: float | None
    coverage: float
    expected: int
    embedded: int
    partial: bool
    resamples: int
    dropped: tuple[str, ...]

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        """Convert a row of the table."""
        return cls(**{name: row[name] for name in EVALUATIONS.names} | {"dropped": tuple(row["dropped"] or ())})

    def to_json(self) -> dict[str, Any]:
        """Return the columns by name."""
        return asdict(self) | {"dropped": list(self.dropped)}


def corpus_lake(lake: Lake, corpus: str) -> Lake:
    """Return the lake that holds the clips of a corpus.

    It lies beside the catalogue's tables, so that the clips never appear in the catalogue.
    """
    return Lake(f"{lake.uri}/benchmarks/{validate_name(corpus)}", lake.s3)


def is_finished(lake: Lake, evaluation_id: str) -> bool:
    """Return whether the evaluation is complete: its rows are in the table."""
    return bool(_rows(lake, f"evaluation_id = {string_literal(evaluation_id)}"))


def confirm_evaluation(lake: Lake, evaluation_id: str, lease: Lease) -> None:
    """Record that a new evaluation would give the same figures.

    If two evaluations answer the same question, the one confirmed last is the newest.
    """
    confirmed_at = {"confirmed_at": _next_time(lake)}
    rows = [row | confirmed_at for row in _rows(lake, f"evaluation_id = {string_literal(evaluation_id)}")]
    _merge(lake, pa.Table.from_pylist(rows, schema=EVALUATIONS), lease)


def write_evaluation(lake: Lake, evaluation: Evaluation, predictions: pa.Table, lease: Lease) -> None:
    """Write the predictions, then the rows, which complete the evaluation."""
    files, path = lake.file_system(), _predictions_path(lake, evaluation.key.evaluation_id)
    files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    with files.open(path, "wb") as file:
        pq.write_table(predictions, file, compression="zstd")
    times = {"at": clock.now(), "confirmed_at": _next_time(lake)}
    _merge(lake, pa.Table.from_pylist([row | times for row in evaluation.rows()], schema=EVALUATIONS), lease)


def _next_time(lake: Lake) -> datetime:
    """Return the current time, but later than every row of the table.

    The clock of the machine that wrote a row may have been ahead.
    """
    now = clock.now()
    table = lake.find_table(TABLE)
    if table is None:
        return now
    newest: datetime | None = pc.max(table.to_table(columns=["confirmed_at"])["confirmed_at"]).as_py()
    return max(now, newest + timedelta(microseconds=1)) if newest else now


def read_predictions(lake: Lake, evaluation_id: str) -> pa.Table:
    """Read the predictions of an evaluation; the schema's metadata says of which kind they are."""
    with lake.file_system().open(_predictions_path(lake, evaluation_id), "rb") as file:
        return pq.read_table(file)


def evaluation_ids(lake: Lake) -> set[str]:
    """Return the ids of all finished evaluations."""
    table = lake.find_table(TABLE)
    if table is None:
        return set()
    return set(table.to_table(columns=["evaluation_id"])["evaluation_id"].to_pylist())


def prediction_files(lake: Lake) -> dict[str, tuple[str, int]]:
    """Map each evaluation id to the path and size in bytes of its predictions file."""
    try:
        entries = lake.file_system().ls(f"{lake.uri}/{TABLE}", detail=True)
    except FileNotFoundError:
        return {}
    files = [(entry["name"], entry["size"] or 0) for entry in entries if entry["name"].endswith(".parquet")]
    return {path.rsplit("/", 1)[1].removesuffix(".parquet"): (path, size) for path, size in files}


def read_evaluation(lake: Lake, evaluation_id: str) -> list[EvaluationRow]:
    """Read the rows of one evaluation, one a metric."""
    return [EvaluationRow.from_row(row) for row in _rows(lake, f"evaluation_id = {string_literal(evaluation_id)}")]


def latest_rows(lake: Lake, benchmark: str | None = None) -> list[EvaluationRow]:
    """Read the rows of the newest evaluation by each protocol and encoder version, oldest first.

    If the clips or labels of a benchmark have changed, only evaluations on the newest ones are returned: figures on
    different clips are not comparable.
    """
    stored = _rows(lake, f"benchmark = {string_literal(benchmark)}" if benchmark else None)
    rows = sorted(map(EvaluationRow.from_row, stored), key=lambda row: row.confirmed_at)
    newest_split = {_data_key(row): row.split_hash for row in rows}
    rows = [row for row in rows if newest_split[_data_key(row)] == row.split_hash]
    newest_id = {_question_key(row): row.evaluation_id for row in rows}
    return [row for row in rows if newest_id[_question_key(row)] == row.evaluation_id]


def _data_key(row: EvaluationRow) -> tuple[str, ...]:
    return row.benchmark, row.corpus, row.protocol


def _question_key(row: EvaluationRow) -> tuple[str, ...]:
    """Return what two evaluations have in common if one replaces the other."""
    return *_data_key(row), row.parameters, row.embedding_version


def _merge(lake: Lake, rows: pa.Table, lease: Lease) -> None:
    lake.upsert(TABLE, EVALUATIONS, rows, lease.check)


def _rows(lake: Lake, condition: str | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_table(lake, TABLE, EVALUATIONS, condition).to_pylist()
    return rows


def _predictions_path(lake: Lake, evaluation_id: str) -> str:
    return f"{lake.uri}/{TABLE}/{validate_name(evaluation_id)}.parquet"
