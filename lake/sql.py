"""Literals for Lance's SQL filters."""

from collections.abc import Iterable, Iterator, Sequence


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
