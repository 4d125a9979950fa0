"""Literals for Lance's SQL filters."""

from collections.abc import Iterable


def quoted(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def among(column: str, values: Iterable[str]) -> str:
    """True where the column holds one of the values; there must be one."""
    return f"{column} IN ({', '.join(map(quoted, values))})"
