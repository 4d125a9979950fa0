"""Older forms of tables: how they are read, and how they are upgraded.

`tonelake maintain` calls the upgrade. This is the only module that knows older forms. Format 1 is that of tonelake
0.1; docs/upgrading.md says what changed.
"""

from typing import Any

import lance
import pyarrow as pa

from lake.storage.format import FORMAT
from lake.storage.lake import STORAGE_VERSION, Lake
from schemas.errors import UserError
from schemas.tables import key_column

# New name -> name in format 1.
_TABLES = {"track_aliases": "moves"}
_COLUMNS = {
    "audio_facts": {"rms_dbfs": "loudness"},
    "evaluations": {"max_windows": "chunks"},
    "releases": {"republishes": "again"},
}
_STATES = {"removed": "forgotten"}  # of `tracks`
_COUNTS = {"money": "cost", "together": "shared_with"}  # old name -> new, in the JSON of `runs.counts`


def read_table(lake: Lake, name: str, schema: pa.Schema, where: str | None = None) -> pa.Table:
    """Read a table whose name or columns changed, with its current columns.

    A missing table has no rows. `where` is an SQL filter on columns that kept their names.
    """
    table = lake.find_table(name)
    if table is None and name in _TABLES:
        table = lake.find_table(_TABLES[name])
    if table is None:
        return schema.empty_table()
    old = {new: old for new, old in _COLUMNS.get(name, {}).items() if old in table.schema.names}
    rows = table.to_table(columns=[old.get(column, column) for column in schema.names], filter=where)
    return rows.rename_columns(schema.names)


def current_counts(counts: dict[str, Any]) -> dict[str, Any]:
    """Return the counts of a run by their current names.

    An upgrade leaves the rows of old runs as they are.
    """
    return {_COUNTS.get(name, name): value for name, value in counts.items()}


def is_old(lake: Lake) -> bool:
    """Tell whether the lake has to be upgraded before anybody writes into it."""
    number = lake.format()
    return number is not None and number < FORMAT


def upgrade(lake: Lake) -> list[tuple[str, str]]:
    """Bring a lake of format 1 to the current format.

    Returns (table, what was done) pairs. Each step is one commit or leaves a copy to start from, and the format number
    comes last: killed anywhere, the same call goes on. The caller holds every lease of the lake. Tables of embeddings
    are left alone.
    """
    done = []
    names = lake.table_names()
    for name, columns in _COLUMNS.items():
        if name in names and (renamed := _rename_columns(lake.table(name), columns)):
            done.append((name, renamed))
    if "tracks" in names and (renamed := _rename_states(lake.table("tracks"))):
        done.append(("tracks", renamed))
    for name, old in _TABLES.items():
        if old in names:
            done.append((name, _rename_table(lake, old, name)))
    lake.write_format()
    return done


def _rename_columns(table: lance.LanceDataset, columns: dict[str, str]) -> str:
    old = {old: new for new, old in columns.items() if old in table.schema.names}
    if not old:
        return ""
    table.alter_columns(*({"path": path, "name": name} for path, name in old.items()))  # type: ignore[arg-type]
    return ", ".join(f"renamed the column {path} to {name}" for path, name in old.items())


def _rename_states(table: lance.LanceDataset) -> str:
    done = []
    for new, old in _STATES.items():
        count = table.count_rows(f"state = '{old}'")
        if count:
            table.update({"state": f"'{new}'"}, where=f"state = '{old}'")
            done.append(f"renamed the state {old} to {new} in {count:,} rows")
    return ", ".join(done)


def _rename_table(lake: Lake, old: str, new: str) -> str:
    """Copy the rows, compare them, and only then remove the old table.

    Object stores cannot rename a folder.
    """
    rows = _rows_to_copy(lake, old, new)
    if rows is not None:
        lance.write_dataset(
            rows,
            lake.table_uri(new),
            mode="overwrite",
            storage_options=lake.storage_options,
            data_storage_version=STORAGE_VERSION,
        )
        key = key_column(rows.schema)
        if lake.table(new).to_table().sort_by(key) != rows.sort_by(key):
            raise OSError(f"the copy of {lake.table_uri(old)} differs from it; nothing was removed: run this again")
    lake.remove_table(old)
    return f"renamed the table {old} to {new}"


def _rows_to_copy(lake: Lake, old: str, new: str) -> pa.Table | None:
    """Read the old table, or return None if its copy is complete.

    It is complete if a killed upgrade had begun to remove the old table.
    """
    try:
        return lake.table(old).to_table()
    except (OSError, ValueError, UserError):
        if new not in lake.table_names() or not lake.table(new).schema.names:
            raise
        return None
