"""Searches through a vector index, and what happens if it cannot be read.

How much of it is read is a choice between recall and time. Measured on 1,000,000 clustered vectors of 384 numbers
(tests/benchmarks/search.py), recall@10 and milliseconds of CPU: IVF_RQ of one bit, 20 partitions, five times k
compared exactly: .959, 8.1; of four bits, 20 partitions, twice k: .990, 4.9; the same without the exact comparison:
.914, 2.8. On 100,000, IVF_HNSW_SQ finds .990 of the true ten without the exact comparison, and all of them if twice k
are compared.
"""

import logging
from typing import Any

import lance
import pyarrow as pa

log = logging.getLogger(__name__)

RQ_BITS = 4  # a number of a vector; more bits are larger on disk, fewer need more exact comparisons
_PARTITIONS = 20
_FILTERED_PARTITIONS = 50  # few rows of each partition pass
_INDEX_ERRORS = (ValueError, OSError, RuntimeError)  # Lance has none of its own for an index
_EF = 200  # candidates of HNSW


def vector_index_of(table: lance.LanceDataset, column: str = "vector") -> Any | None:
    """Return Lance's description of the index of a column of vectors, or None."""
    return next((index for index in table.describe_indices() if column in index.field_names), None)


def search_index(table: lance.LanceDataset, nearest: dict[str, Any], **scan: Any) -> pa.Table:
    """Return the rows that a search for the nearest finds.

    If the index cannot be read, every vector is compared, and a line on standard error says so. Raises what Lance
    raises of other faults.
    """
    try:
        return table.scanner(nearest=nearest, **scan).to_table()
    except _INDEX_ERRORS:
        if vector_index_of(table, nearest["column"]) is None:
            raise
        rows = table.scanner(nearest=nearest | {"use_index": False}, **scan).to_table()
        advice = "`tonelake maintain` builds it anew, and the next release has it"
        log.warning("the index of %s in %s cannot be read: all are compared; %s", nearest["column"], table.uri, advice)
        return rows


def is_readable(table: lance.LanceDataset, column: str, dim: int) -> bool:
    """Tell whether the index of a column of vectors [dim] answers a search. It is true without an index."""
    if vector_index_of(table, column) is None:
        return True
    nearest = {"column": column, "q": [1.0] + [0.0] * (dim - 1), "k": 1, "metric": "cosine"}
    try:
        table.scanner(columns=["track_id", "_distance"], nearest=nearest).to_table()
    except _INDEX_ERRORS:
        return False
    return True


def index_effort(table: lance.LanceDataset, k: int, *, is_filtered: bool, exact: bool) -> dict[str, Any]:
    """Return the options of a search for the k nearest rows. They are none if the table has no index.

    With `exact` the nearest by the index are compared by their vectors, so that distances are exact.
    """
    index = vector_index_of(table)
    if index is None:
        return {}
    is_coarse = index.details.get("compression", {}).get("num_bits") == 1  # an earlier tonelake built it
    refined = 10 if is_coarse else 2
    options: dict[str, Any] = {"nprobes": _FILTERED_PARTITIONS if is_filtered or is_coarse else _PARTITIONS}
    if index.index_type == "IVF_HNSW_SQ":
        options["ef"] = max(_EF, refined * k)
    return options | ({"refine_factor": refined} if exact else {})
