"""Literals and conditions for Lance's SQL filters."""

import re
from collections.abc import Iterable, Iterator, Sequence

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
