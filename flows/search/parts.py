"""The parts of a query, as people write them: `guitar`, `TRACK:0.5`, `upload:HASH`."""

import re
from dataclasses import replace

from schemas.errors import UserError
from schemas.search import PartKind, QueryPart

# What each option of a search gives: the kind of part, and its weight without a number.
OPTIONS: dict[str, tuple[PartKind, float]] = {
    "text": ("text", 1.0),
    "also": ("text", 1.0),
    "not": ("text", -1.0),
    "like": ("track", 1.0),
    "unlike": ("track", -1.0),
    "audio": ("file", 1.0),
}
_WEIGHT = re.compile(r"(?P<value>.+):(?P<weight>[+-]?\d*\.?\d+)", re.DOTALL)


def parse_part(option: str, typed: str) -> QueryPart:
    """Return the part that an option's value such as `guitar` or `TRACK:0.5` stands for.

    The first text of a query has no weight: its colons belong to it. Raises UserError if the weight is out of range.
    """
    kind, sign = OPTIONS[option]
    match = None if option == "text" else _WEIGHT.fullmatch(typed)
    if match is None:
        return QueryPart(kind, typed, sign)
    weight = float(match["weight"])
    if sign < 0 and weight < 0:
        raise UserError(f"--{option} {typed!r}: its weight counts against a hit already: give one from 0 to 1")
    return replace(QueryPart(kind, match["value"], weight), weight=sign * weight)
