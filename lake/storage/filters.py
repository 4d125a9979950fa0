"""Literals and conditions for Lance's SQL filters, and selections by any number of values."""

import re
from collections.abc import Iterable, Iterator, Sequence

import lance
import pyarrow as pa

from schemas.errors import UserError

_QUOTED_PARTS = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|`[^`]*`""")
_VALUES_PER_CLAUSE = 8192


def string_literal(text: str) -> str:
    """Return the text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def in_clause(column: str, values: Iterable[str]) -> str:
    """Return a condition that is true where the column holds one of the values."""
    literals = ", ".join(map(string_literal, values))
    return f"{column} IN ({literals})" if literals else "false"


def in_clauses(column: str, values: Sequence[str], at_once: int = _VALUES_PER_CLAUSE) -> Iterator[str]:
    """Yield conditions of at most `at_once` values; together they select what `in_clause` selects."""
    return (in_clause(column, values[start : start + at_once]) for start in range(0, len(values), at_once))


def select_in(
    table: lance.LanceDataset,
    column: str,
    values: Sequence[str],
    columns: list[str] | None = None,
    where: str | None = None,
) -> pa.Table:
    """Return the rows whose column holds one of the values, and that pass `where`.

    There may be any number of values. `columns` None returns all columns.
    """
    clauses = list(in_clauses(column, values)) or ["false"]
    filters = [f"({where}) AND {clause}" for clause in clauses] if where else clauses
    return pa.concat_tables([table.to_table(columns=columns, filter=condition) for condition in filters])


def validate_filter(where: str) -> str:
    """Return a user's filter in brackets, to be joined with others. Raises UserError if it is not one condition.

    Lance parses as much as makes sense: of "true) OR (true" and of "true) --" it would ignore the conditions behind.
    """
    depth, unquoted = 0, _QUOTED_PARTS.sub("", where)
    for character in unquoted:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            break
    if depth or any(mark in unquoted for mark in ("'", '"', "`", "--", "/*", ";")):
        raise UserError(f"the filter {where!r} is not one condition: close brackets and quotes, leave out comments")
    return f"({where})"
