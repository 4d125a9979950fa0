"""Whole columns compared and filled in: what joins of a million tracks are made of."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Column = pa.ChunkedArray


def unlike(one: Column, other: Column) -> Column:
    """Row by row: do the values differ? Two nulls are alike; a list of strings is compared as a whole."""
    if pa.types.is_list(one.type):
        one, other = pc.binary_join(one, "\x1f"), pc.binary_join(other, "\x1f")
    empty = pc.and_(pc.is_null(one), pc.is_null(other))
    return pc.invert(pc.or_(pc.fill_null(pc.equal(one, other), False), empty))


def any_unlike(one: pa.Table, other: pa.Table, names: tuple[str, ...]) -> Column:
    """Row by row: does any of the named columns differ?"""
    found = unlike(one[names[0]], other[names[0]])
    for name in names[1:]:
        found = pc.or_(found, unlike(one[name], other[name]))
    return found


def filled(rows: pa.Table, others: pa.Table, names: tuple[str, ...]) -> pa.Table:
    """`rows` with the named columns of `others`, row by row, where these are not null."""
    for name in names:
        said = pc.if_else(pc.is_valid(others[name]), others[name], rows[name])
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), said)
    return rows


def with_column(rows: pa.Table, name: str, values: Column | pa.Scalar) -> pa.Table:
    """`rows` with another content of a column that it has."""
    if isinstance(values, pa.Scalar):
        values = pa.repeat(values, len(rows))
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)


def completed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """`rows` in the form of a schema; columns that they lack are null."""
    for field in schema:
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(len(rows), field.type))
    return rows.select(schema.names).cast(schema)


def strings(values: Iterable[str | None]) -> Column:
    """A column of them."""
    return pa.chunked_array([pa.array(list(values), pa.string())])


def codes(column: Column) -> np.ndarray:
    """A number for each distinct value [N], -1 for null."""
    indices = pc.dictionary_encode(column).combine_chunks().indices
    return indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def place_in(keys: Column, others: Column) -> Column:
    """Where each key stands among the others; null where it does not."""
    return pc.index_in(keys, others.combine_chunks())


def alike(rows: pa.Table, others: pa.Table, column: str = "source_version") -> Column:
    """For each row: have the others the same track with the same value of a column, by default of the same file?"""
    place = place_in(rows["track_id"], others["track_id"])
    return pc.fill_null(pc.equal(others[column].combine_chunks().take(place), rows[column]), False)


def is_among(keys: Column, others: Column) -> Column:
    """For each key: is it among the others?"""
    return pc.is_in(keys, others.combine_chunks())
