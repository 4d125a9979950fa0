"""Listening histories: .csv or .parquet files of user_id, track_id and timestamp."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from schemas.errors import UserError

_COLUMNS = ("user_id", "track_id")
_ADVICE = "give user_id, track_id, timestamp"


def read_interactions(file: str, *, require_user_id: bool = True) -> pa.Table:
    """Read user_id and track_id, in order of `timestamp` if the file has one.

    `require_user_id` False accepts the file of one user too: without user_id, or a .txt with one track_id a line. The
    user_id is "" then. Raises UserError if the file cannot be read or lacks a column.
    """
    try:
        table = _read(file, require_user_id)
    except (OSError, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise UserError(
            f"cannot read the interactions {file}: {str(error).splitlines()[0]}; give .csv or .parquet"
        ) from error
    if not require_user_id and "user_id" not in table.column_names:
        table = table.append_column("user_id", pa.array([""] * len(table), pa.string()))
    if missing := set(_COLUMNS) - set(table.column_names):
        raise UserError(f"{file} has no column {' and no '.join(sorted(missing))}; {_ADVICE}")
    try:
        return _in_order(table).drop_null()
    except (KeyError, pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        cause = str(error.args[0]).splitlines()[0]
        raise UserError(f"cannot use the interactions {file}: {cause}; {_ADVICE}") from error


def _read(file: str, require_user_id: bool) -> pa.Table:
    if file.endswith(".parquet"):
        return pq.read_table(file)
    if file.endswith(".txt") and not require_user_id:
        lines = map(str.strip, Path(file).read_text(encoding="utf-8-sig").splitlines())
        return pa.table({"track_id": pa.array([line for line in lines if line], pa.string())})
    return pyarrow.csv.read_csv(
        file, convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(_COLUMNS, pa.string()))
    )


def _in_order(table: pa.Table) -> pa.Table:
    if "timestamp" in table.column_names:
        table = table.append_column("row", pa.array(np.arange(len(table))))
        table = table.sort_by([("timestamp", "ascending"), ("row", "ascending")])
    return pa.table({name: table[name].cast(pa.string()) for name in _COLUMNS})
