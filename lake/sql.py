"""Literals for Lance's SQL filters, and rows chosen by any number of them."""

from collections.abc import Iterable, Iterator, Sequence

import lance
import pyarrow as pa


def quoted(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def among(column: str, values: Iterable[str]) -> str:
    """True where the column holds one of the values."""
    listed = ", ".join(map(quoted, values))
    return f"{column} IN ({listed})" if listed else "false"


def among_each(column: str, values: Sequence[str], at_once: int = 8192) -> Iterator[str]:
    """The same for any number of values, so many of them at once: together they are true where `among` is."""
    return (among(column, values[start : start + at_once]) for start in range(0, len(values), at_once))


def rows_among(
    table: lance.LanceDataset,
    column: str,
    values: Sequence[str],
    columns: list[str] | None = None,
    also: str | None = None,
) -> pa.Table:
    """Rows whose column holds one of any number of values, and that pass `also`; all columns, or those asked for."""
    chosen = list(among_each(column, values)) or ["false"]
    filters = [f"({also}) AND {one}" for one in chosen] if also else chosen
    return pa.concat_tables([table.to_table(columns=columns, filter=one) for one in filters])
