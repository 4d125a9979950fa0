"""Literals and conditions for Lance's SQL filters, and rows chosen by any number of them."""

import re
from collections.abc import Iterable, Iterator, Sequence

import lance
import pyarrow as pa

from schemas.errors import UserError

_QUOTED = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|`[^`]*`""")


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


def condition(where: str) -> str:
    """A person's filter in brackets, to be joined with others; UserError where it would end before them.

    Lance reads as much as makes sense: of "true) OR (true" and of "true) --" whatever follows would be no condition.
    """
    depth, bare = 0, _QUOTED.sub("", where)
    for character in bare:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            break
    if depth or any(mark in bare for mark in ("'", '"', "`", "--", "/*", ";")):
        raise UserError(f"the filter {where!r} is not one condition: close brackets and quotes, leave out comments")
    return f"({where})"
