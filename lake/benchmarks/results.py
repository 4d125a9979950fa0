"""The book of evaluations: a row a figure, and each evaluation's items in Parquet beside the table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.storage.filters import quoted
from lake.storage.lake import Lake, one_part
from lake.storage.lease import Lease
from schemas.evaluations import EVALUATIONS, Evaluation

TABLE = "evaluations"


def corpus_lake(lake: Lake, corpus: str) -> Lake:
    """The lake beside the catalogue's tables that holds the clips of a corpus: they never show in the catalogue."""
    return Lake(f"{lake.uri}/benchmarks/{one_part(corpus)}", lake.s3)


def is_known(lake: Lake, evaluation_id: str) -> bool:
    """Whether the evaluation was finished: its rows are there."""
    return bool(_rows(lake, f"evaluation_id = {quoted(evaluation_id)}"))


def confirm(lake: Lake, evaluation_id: str, lease: Lease) -> None:
    """Writes down that an evaluation is still what would be found: of two answers to one question it is the newest."""
    about = {"confirmed_at": _next(lake)}
    rows = [row | about for row in evaluation_rows(lake, evaluation_id)]
    _merge(lake, pa.Table.from_pylist(rows, schema=EVALUATIONS), lease)


def write(lake: Lake, evaluation: Evaluation, items: pa.Table, lease: Lease) -> None:
    """Items first; the rows complete the evaluation."""
    files, path = lake.files(), _items_path(lake, evaluation.key.evaluation_id)
    files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    with files.open(path, "wb") as file:
        pq.write_table(items, file, compression="zstd")
    about = {"at": datetime.now(UTC), "confirmed_at": _next(lake)}
    _merge(lake, pa.Table.from_pylist([row | about for row in evaluation.rows()], schema=EVALUATIONS), lease)


def _next(lake: Lake) -> datetime:
    """Now, but later than all that is there: the last answer is the newest, whose clock ever was ahead."""
    now = datetime.now(UTC)
    if TABLE not in lake.names():
        return now
    newest = pc.max(lake.table(TABLE).to_table(columns=["confirmed_at"])["confirmed_at"]).as_py()
    return max(now, newest + timedelta(microseconds=1)) if newest else now


def read_items(lake: Lake, evaluation_id: str) -> pa.Table:
    """The items of an evaluation, with the metadata that says what they are."""
    with lake.files().open(_items_path(lake, evaluation_id), "rb") as file:
        return pq.read_table(file)


def ids(lake: Lake) -> set[str]:
    """Every evaluation that was finished."""
    if TABLE not in lake.names():
        return set()
    return set(lake.table(TABLE).to_table(columns=["evaluation_id"])["evaluation_id"].to_pylist())


def item_files(lake: Lake) -> dict[str, tuple[str, int]]:
    """Path and size of each item file there is, by evaluation."""
    try:
        found = lake.files().ls(f"{lake.uri}/{TABLE}", detail=True)
    except FileNotFoundError:
        return {}
    files = [(entry["name"], entry["size"] or 0) for entry in found if entry["name"].endswith(".parquet")]
    return {path.rsplit("/", 1)[1].removesuffix(".parquet"): (path, size) for path, size in files}


def evaluation_rows(lake: Lake, evaluation_id: str) -> list[dict[str, Any]]:
    """The rows of one evaluation, one a metric."""
    return _rows(lake, f"evaluation_id = {quoted(evaluation_id)}")


def latest(lake: Lake, benchmark: str | None = None) -> list[dict[str, Any]]:
    """Rows of the newest evaluation by each protocol and encoder version, the oldest first.

    Of a benchmark whose clips or labels have changed only figures on the newest are given: others cannot be compared
    with them.
    """
    rows = _rows(lake, f"benchmark = {quoted(benchmark)}" if benchmark else None)
    rows.sort(key=lambda row: row["confirmed_at"])
    split = {_subject(row): row["split_hash"] for row in rows}
    rows = [row for row in rows if split[_subject(row)] == row["split_hash"]]
    newest = {_question(row): row["evaluation_id"] for row in rows}
    return [row for row in rows if newest[_question(row)] == row["evaluation_id"]]


def _subject(row: dict[str, Any]) -> tuple[str, ...]:
    return row["benchmark"], row["corpus"], row["protocol"]


def _question(row: dict[str, Any]) -> tuple[str, ...]:
    return *_subject(row), row["parameters"], row["embedding_version"]


def _merge(lake: Lake, rows: pa.Table, lease: Lease) -> None:
    lease.check()
    lake.upsert(TABLE, EVALUATIONS, rows)


def _rows(lake: Lake, where: str | None) -> list[dict[str, Any]]:
    return lake.table(TABLE).to_table(filter=where).to_pylist() if TABLE in lake.names() else []


def _items_path(lake: Lake, evaluation_id: str) -> str:
    return f"{lake.uri}/{TABLE}/{one_part(evaluation_id)}.parquet"
