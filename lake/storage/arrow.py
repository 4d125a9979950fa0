"""Operations on whole Arrow columns: comparisons, joins by key, replaced values."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_LIST_SEPARATOR = "\x1f"  # ASCII's unit separator: no title or genre holds it


def differs(column: pa.ChunkedArray, other: pa.ChunkedArray) -> pa.ChunkedArray:
    """Compare two columns row by row; return booleans. Two nulls are equal, lists of strings compare as a whole."""
    if pa.types.is_list(column.type):
        column, other = pc.binary_join(column, _LIST_SEPARATOR), pc.binary_join(other, _LIST_SEPARATOR)
    both_null = pc.and_(pc.is_null(column), pc.is_null(other))
    return pc.invert(pc.or_(pc.fill_null(pc.equal(column, other), False), both_null))


def any_differs(rows: pa.Table, others: pa.Table, names: tuple[str, ...]) -> pa.ChunkedArray:
    """Tell for each row whether any of the named columns differs between the tables."""
    result = differs(rows[names[0]], others[names[0]])
    for name in names[1:]:
        result = pc.or_(result, differs(rows[name], others[name]))
    return result


def coalesce_columns(rows: pa.Table, preferred: pa.Table, names: tuple[str, ...]) -> pa.Table:
    """Replace named columns of `rows` by those of `preferred`, where these are not null."""
    for name in names:
        rows = with_column(rows, name, pc.if_else(pc.is_valid(preferred[name]), preferred[name], rows[name]))
    return rows


def with_column(rows: pa.Table, name: str, values: pa.ChunkedArray | pa.Scalar) -> pa.Table:
    """Return `rows` with other values in an existing column; a scalar fills all of it."""
    if isinstance(values, pa.Scalar):
        values = pa.repeat(values, len(rows))
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)


def conform_to(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return `rows` with the columns and types of the schema; missing columns are null."""
    for field in schema:
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(len(rows), field.type))
    return rows.select(schema.names).cast(schema)


def first_of_each(rows: pa.Table, column: str) -> pa.Table:
    """Return the first row of each value of a column."""
    return rows.take(pc.index_in(pc.unique(rows[column]), rows[column]))


def string_column(values: Iterable[str | None]) -> pa.ChunkedArray:
    """Return the values as a column of strings."""
    return pa.chunked_array([pa.array(list(values), pa.string())])


def factorize(column: pa.ChunkedArray) -> np.ndarray:
    """Return an integer code for each value, int64 [N]. Equal values have equal codes, null has -1."""
    indices = pc.dictionary_encode(column).combine_chunks().indices
    codes: np.ndarray = indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def index_in(keys: pa.ChunkedArray, others: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the row of each key in `others`; null if it is not there."""
    return pc.index_in(keys, others.combine_chunks())


def is_in(keys: pa.ChunkedArray, others: pa.ChunkedArray) -> pa.ChunkedArray:
    """Tell for each key whether `others` contains it."""
    return pc.is_in(keys, others.combine_chunks())


def same_version(rows: pa.Table, others: pa.Table, column: str = "source_version") -> pa.ChunkedArray:
    """Tell for each row whether `others` has its track_id with the same `column`."""
    indices = index_in(rows["track_id"], others["track_id"])
    return pc.fill_null(pc.equal(others[column].combine_chunks().take(indices), rows[column]), False)
