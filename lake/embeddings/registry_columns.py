"""Conditions on columns that the embeddings table lacks: the registry's, and the manifest's own.

Such a condition is answered in a table in memory that has the columns it names. The answer is a set of track_ids, so
the search still compares only the rows that pass.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import lance
import pyarrow as pa

from lake.embeddings.filters import Filter, TrackSet
from lake.storage.arrow import index_in
from lake.storage.filters import validate_filter
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.names import did_you_mean

_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"[^"]*"|`(?P<quoted>[^`]+)`|\.\w+|(?P<word>[^\W\d]\w*)(?P<call>\s*\()?|[\d.]\w*"""
)
_KEYWORDS = frozenset(
    """
    AND AS BETWEEN BIGINT BINARY BOOLEAN CASE CAST DATE DAY DECIMAL DOUBLE ELSE END ESCAPE FALSE FLOAT HOUR ILIKE IN
    INT INTEGER INTERVAL IS LIKE MINUTE MONTH NOT NULL OR REAL SECOND SIMILAR SMALLINT STRING THEN TIME TIMESTAMP
    TINYINT TO TRUE VARCHAR WHEN YEAR
    """.split()
)
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?")  # 007 is a name
_MAX_INTEGER = 1 << 63
_WRONG_TYPE = "could not convert to literal"  # Lance compares values of one type only
_NO_COLUMN = "No field named"
_MAX_LISTED = 8


def resolve_where(lake: Lake, table: lance.LanceDataset, condition: Filter) -> Filter:
    """Return a filter whose SQL names only columns of the embeddings table.

    One that names other columns becomes a set of track_ids; `table` and the registry are read for it. Raises
    UserError, with the near names, if the SQL names a column that no table and no manifest has.
    """
    if condition.where is None:
        return condition
    where = validate_filter(condition.where)
    registered = lake.table("tracks")
    embedded, registry_names = _by_folded_name(table.schema.names), _by_folded_name(registered.schema.names)
    names = dict.fromkeys(_named_columns(where, embedded.keys() | registry_names.keys()))
    if embedded.keys() >= set(names) or not _lacks_column(table, where):
        return condition
    from_table = [embedded[name] for name in names if name in embedded]
    rows = table.to_table(columns=list(dict.fromkeys(["track_id", *from_table])))
    from_registry = [registry_names[name] for name in names if name in registry_names.keys() - embedded.keys()]
    own_names = [name for name in names if name not in registry_names and name not in embedded]
    columns = list(dict.fromkeys(["track_id", "extra", *from_registry]))
    registry = registered.to_table(columns=columns)
    registry = registry.take(index_in(rows["track_id"], registry["track_id"]))
    for name in from_registry:
        rows = rows.append_column(name, registry[name])
    values = _own_values(registry["extra"], own_names, [*embedded.values(), *registry_names.values()])
    return replace(condition, where=None).among(TrackSet(_matching_ids(rows, values, where)))


def _lacks_column(table: lance.LanceDataset, where: str) -> bool:
    """Tell whether SQL names a column that the table lacks.

    Raises what Lance raises of other faults.
    """
    try:
        table.scanner(columns=["track_id"], filter=where).explain_plan()
    except ValueError as error:
        if _NO_COLUMN not in str(error):
            raise
        return True
    return False


def _by_folded_name(names: Iterable[str]) -> dict[str, str]:
    """Return the names by their small letters: Lance's SQL does not tell them apart."""
    return {name.casefold(): name for name in names}


def _named_columns(where: str, known: set[str]) -> Iterator[str]:
    """Yield the columns that an SQL condition names, in small letters.

    `known` are columns, even if the word is one of SQL.
    """
    for token in _TOKEN.finditer(where):
        if token["quoted"]:
            yield token["quoted"].casefold()
        elif (word := token["word"]) and (
            word.casefold() in known or not (token["call"] or word.upper() in _KEYWORDS)
        ):
            yield word.casefold()


def _own_values(extra: pa.ChunkedArray, names: list[str], known: list[str]) -> dict[str, list[Any]]:
    """Return the values of the manifest's own columns, [N] each, by their names there.

    `extra` [N] is JSON. Raises UserError if no track has a column of one of the names.
    """
    if not names:
        return {}
    rows = [json.loads(text) if text else {} for text in extra.to_pylist()]
    stored_names = _by_folded_name(dict.fromkeys(key for row in rows for key in row))
    if missing := next((name for name in names if name not in stored_names), None):
        columns = [*known, *stored_names.values()]
        listed = ", ".join(sorted(stored_names.values())[:_MAX_LISTED]) or "none"
        hint = did_you_mean(missing, columns) or f"the manifest's own columns are: {listed}; "
        raise UserError(f"--where names the column {missing!r}, which no track has; {hint}".rstrip("; "))
    return {stored_names[name]: [row.get(stored_names[name]) for row in rows] for name in dict.fromkeys(names)}


def _matching_ids(rows: pa.Table, values: dict[str, list[Any]], where: str) -> pa.ChunkedArray:
    """Return the track_ids of the rows that pass.

    Texts that all look like numbers are compared as numbers first. If the SQL compares them with a text, as texts.
    """
    conversions: list[Callable[[list[Any]], pa.Array]] = [_as_typed, _as_texts] if values else [_as_typed]
    for number, convert in enumerate(conversions):
        table = rows
        for name, column in values.items():
            table = table.append_column(name, convert(column))
        try:
            dataset = lance.write_dataset(table, f"memory://{uuid.uuid4().hex}")
            return dataset.to_table(columns=["track_id"], filter=where)["track_id"]
        except (ValueError, OSError) as error:
            if number + 1 == len(conversions) or _WRONG_TYPE not in str(error):
                raise
    raise AssertionError


def _as_typed(values: list[Any]) -> pa.Array:
    """Return a column of booleans or numbers if all values are some, else of texts."""
    present = [value for value in values if value is not None]
    if present and all(isinstance(value, bool) for value in present):
        return pa.array(values, pa.bool_())
    numbers = [_as_number(value) for value in present]
    if not present or None in numbers:
        return _as_texts(values)
    kind = pa.int64() if all(isinstance(number, int) for number in numbers) else pa.float64()
    return pa.array([None if value is None else _as_number(value) for value in values], kind)


def _as_number(value: Any) -> int | float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    if isinstance(value, float) or (
        isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_INTEGER
    ):
        return value
    return None


def _as_texts(values: list[Any]) -> pa.Array:
    """Return a column of texts; a value that is no text stands as its JSON."""
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pa.array(texts, pa.string())
