"""Compaction and indexes of tables, after a run and in maintenance."""

import schemas.environment  # noqa: F401 - before Lance

# isort: split
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import lance
import pyarrow as pa
from lance.optimize import Compaction, CompactionOptions

from lake.embeddings.vector_index import RQ_BITS, is_readable
from lake.storage.corruption import is_panic
from lake.storage.lake import Lake
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.tables import embeddings_table, features_table, windows_table

logging.getLogger("pylance").setLevel(logging.WARNING)  # it reports how long each build took

# Measured on 384 float16 numbers: below 20,000 rows a flat scan answers in milliseconds;
# HNSW with 8-bit codes finds more of the true neighbours but its build takes minutes beyond half a million.
VECTOR_INDEX_ROWS = 20_000
HNSW_MAX_ROWS = 500_000
NAME_INDEX_ROWS = 2_000  # to read all names takes 5 us a row, the indexes answer in 1 ms and take 31 bytes a row
SMALL_FRAGMENTS = 16  # a run compacts a table that has so many fragments
MAX_TRIES = 5  # of building indexes beside another run that does the same
RETRYABLE = "Retryable commit conflict"  # in Lance's message
MAX_SEGMENTS = 4  # of a vector index before maintenance rebuilds it: about a week of nightly runs

# Bounds are in bytes, because row widths differ: the windows of one track may be 1 MB. Each step rewrites a few
# fragments and commits. Measured peak memory of the process, on windows of 41 kB a track: 635 MB for 1.3 GB of them,
# 628 MB for 3.3 GB, so it stays flat. With Lance's own bounds it was 548 and 674 MB, in one commit that a kill loses
# whole.
FRAGMENT_ROWS = 1 << 20
FRAGMENT_BYTES = 512 << 20
STEP_BYTES = 4 * FRAGMENT_BYTES  # a step smaller than the largest task would do nothing
BATCH_BYTES = 16 << 20

VECTOR_COLUMNS = {"embeddings": "vector", "windows": "stretch_vectors"}  # by the kind of table
_VECTORS_A_ROW = {"vector": 1, "stretch_vectors": 8}  # a track of four minutes has 8 stretches

ScalarIndex = Literal["BTREE", "LABEL_LIST", "INVERTED"]

_SCALAR_INDEXES: dict[str, ScalarIndex] = {
    "track_id": "BTREE",
    "artist": "BTREE",
    "year": "BTREE",
    "genres": "LABEL_LIST",
    "tag_names": "LABEL_LIST",
}
# Full-text indexes by name, for questions that name a track. No stop words and no stems: The The is a band. No
# positions: Lance's optimize has crashed on them (lance#7653).
NAME_INDEXES = {"artist_words": "artist", "title_words": "title", "album_words": "album"}
_WORDS: dict[str, Any] = {
    "with_position": False,
    "stem": False,
    "remove_stop_words": False,
    "lower_case": True,
    "ascii_folding": True,
}


def compact_and_index(lake: Lake, spec: EncoderSpec) -> None:
    """Compact the tables of a run where needed, then build or extend their indexes."""
    for name in ("tracks", "quarantine", features_table(spec), windows_table(spec), embeddings_table(spec)):
        table = lake.find_table(name)
        if table is None:
            continue
        if len(table.get_fragments()) >= SMALL_FRAGMENTS:
            compact(table)
        if name in ("tracks", windows_table(spec), embeddings_table(spec)):
            update_indexes(table, name)


def compact(table: lance.LanceDataset) -> int:
    """Merge small fragments and drop deleted rows, in commits of bounded size.

    Returns the number of replaced fragments.
    """
    replaced = 0
    while done := table.optimize.compact_files(**_bounds(table)).fragments_removed:  # type: ignore[misc]
        replaced += done
    return replaced


def fragments_to_compact(table: lance.LanceDataset) -> int:
    """Return how many fragments `compact` would replace."""
    tasks = Compaction.plan(table, _bounds(table)).tasks
    return sum(len(task.fragments) for task in tasks)


def _bounds(table: lance.LanceDataset) -> CompactionOptions:
    """Return the compaction options that suit the mean row size of the table."""
    metadata = [fragment.metadata for fragment in table.get_fragments()]
    size = sum(file.file_size_bytes or 0 for fragment in metadata for file in fragment.files)
    row_bytes = max(1, size // max(1, sum(fragment.physical_rows for fragment in metadata)))
    return {
        "target_rows_per_fragment": max(1, min(FRAGMENT_ROWS, FRAGMENT_BYTES // row_bytes)),
        "max_source_bytes": STEP_BYTES,
        "batch_size": max(16, min(8192, BATCH_BYTES // row_bytes)),
    }


def update_indexes(table: lance.LanceDataset, name: str, *, merge: bool = False) -> list[str]:
    """Build missing and outgrown indexes, extend the others.

    A vector index grows by one segment each time, and a search reads every segment. If `merge`, a vector index of many
    segments is rebuilt, and one that cannot be read. If another run builds an index of the table at the same moment,
    what it left is done. Returns a line for each change.
    """
    for _ in range(MAX_TRIES - 1):
        try:
            return _update_indexes(table, name, merge=merge)
        except OSError as error:
            if RETRYABLE not in str(error):
                raise
            table.checkout_latest()  # type: ignore[no-untyped-call]
    return _update_indexes(table, name, merge=merge)


def _update_indexes(table: lance.LanceDataset, name: str, *, merge: bool) -> list[str]:
    done = []
    for column, kind in indexes_to_build(table, name, merge=merge).items():
        _build(table, column, kind)
        done.append(f"built {kind['index_type'] if isinstance(kind, dict) else kind} of {column}")
    for index in table.describe_indices():
        if rows := count_unindexed(table, index):
            # Append a segment to a vector index, because merging segments joins partitions. Measured on 550,000 rows
            # of 64 numbers: 741 partitions became 190, and recall@10 fell from 89 % to 74 %.
            grow = {"num_indices_to_merge": 0} if index.field_names[0] in VECTOR_COLUMNS.values() else {}
            with _explain_panic(table):
                table.optimize.optimize_indices(index_names=[index.name], **grow)
            done.append(f"added {rows:,} rows to {index.name}")
    return done


def _build(table: lance.LanceDataset, column: str, kind: ScalarIndex | dict[str, Any]) -> None:
    """Build one index."""
    with _explain_panic(table):
        if isinstance(kind, dict):
            table.create_index(column, metric="cosine", replace=True, **kind)
        elif column in NAME_INDEXES:
            table.create_scalar_index(NAME_INDEXES[column], kind, name=column, **_WORDS)
        else:
            table.create_scalar_index(column, kind)


@contextmanager
def _explain_panic(table: lance.LanceDataset) -> Iterator[None]:
    """Raise UserError if the table was compacted while an index was built or extended.

    Lance cannot adapt every index to that, and panics.
    """
    try:
        yield
    except BaseException as error:
        if not is_panic(error):
            raise
        message = f"another run compacted {table.uri} while its index was built: run the same command again"
        raise UserError(message) from error


def indexes_to_build(
    table: lance.LanceDataset, name: str, *, merge: bool = False
) -> dict[str, ScalarIndex | dict[str, Any]]:
    """Return the columns that lack an index or have outgrown it.

    The missing ones of NAME_INDEXES are among them. The values are the kind of a scalar index or the options of a
    vector index.
    """
    rows, kind_of_table = table.count_rows(), name.partition("__")[0]
    if not rows or kind_of_table not in ("tracks", *VECTOR_COLUMNS):
        return {}
    indexes = {index.name: index for index in table.describe_indices()}
    existing = {
        column: index for index in indexes.values() if index.name not in NAME_INDEXES for column in index.field_names
    }
    missing: dict[str, ScalarIndex | dict[str, Any]] = {
        column: kind
        for column, kind in _SCALAR_INDEXES.items()
        if column not in existing and (kind_of_table == "embeddings" or column == "track_id")
    }
    if kind_of_table == "embeddings" and rows >= NAME_INDEX_ROWS:
        missing |= {name: "INVERTED" for name in NAME_INDEXES if name not in indexes}
    column = VECTOR_COLUMNS.get(kind_of_table)
    dim = dimension_of(table, column) if column else 0
    options = vector_index_options(rows, dim) if column == "vector" else stretch_index_options(rows, dim)
    if column and rows * _VECTORS_A_ROW[column] >= VECTOR_INDEX_ROWS:
        index = existing.get(column)
        if index is None:
            if _has_values(table, column):
                missing[column] = options
        elif (
            (merge and (len(index.segments) > MAX_SEGMENTS or not is_readable(table, column, dim)))
            or index.index_type != options["index_type"]
            or _has_outgrown(table, index.name, options)
        ):
            missing[column] = options
    return missing


def vector_index_options(rows: int, dim: int) -> dict[str, Any]:
    """Return kind and partitions of the vector index for a table of this many rows."""
    if rows <= HNSW_MAX_ROWS:
        return {"index_type": "IVF_HNSW_SQ", "num_partitions": 1}
    return _partitioned(int(rows**0.5), dim, RQ_BITS)


def has_name_indexes(table: lance.LanceDataset) -> bool:
    """Tell whether the words of artists, titles and albums are indexed."""
    return NAME_INDEXES.keys() <= {index.name for index in table.describe_indices()}


def stretch_index_options(rows: int, dim: int) -> dict[str, Any]:
    """Return kind and partitions of the index of stretches for this many tracks.

    A small table gets no more partitions than it has stretches to train them.
    """
    partitions = int((rows * _VECTORS_A_ROW["stretch_vectors"]) ** 0.5)
    return _partitioned(max(1, min(partitions, rows // 4)), dim, bits=1)


def _partitioned(partitions: int, dim: int, bits: int) -> dict[str, Any]:
    """Return the options of an index for many vectors."""
    if dim % 8:  # Lance packs the bits of IVF_RQ into bytes
        return {"index_type": "IVF_SQ", "num_partitions": partitions}
    return {"index_type": "IVF_RQ", "num_partitions": partitions, "num_bits": bits}


def dimension_of(table: lance.LanceDataset, column: str) -> int:
    """Return how many numbers a vector of the column has, 0 without such a column."""
    if column not in table.schema.names:
        return 0
    kind = table.schema.field(column).type
    return int((kind if pa.types.is_fixed_size_list(kind) else kind.value_type).list_size)


def _has_values(table: lance.LanceDataset, column: str) -> bool:
    """Tell whether the table has the column and a row with a value in it."""
    known = column in table.schema.names
    return known and len(table.to_table(columns=["track_id"], filter=f"{column} IS NOT NULL", limit=1)) > 0


def count_unindexed(table: lance.LanceDataset, index: Any) -> int:
    """Return how many rows are not in the index; a search scans these."""
    return max(0, int(table.count_rows() - index.num_rows_indexed))


def _has_outgrown(table: lance.LanceDataset, name: str, options: dict[str, Any]) -> bool:
    """Return whether the index has at most half the partitions that the table needs.

    That is the case after four times as many rows as the index was trained on.
    """
    partitions: int = options["num_partitions"]
    return partitions > 1 and 2 * len(table.get_ivf_model(name).centroids) <= partitions
