"""How much of a vector index a search reads: a choice between recall and time.

Measured on 1,000,000 clustered vectors of 384 numbers (tests/benchmarks/search.py), recall@10 and milliseconds of CPU:
IVF_RQ of one bit, 20 partitions, five times k compared exactly: .959, 8.1; of four bits, 20 partitions, twice k: .990,
4.9; the same ten without the exact comparison: .914, 2.8. On 100,000, IVF_HNSW_SQ finds .990 of the true ten without
the exact comparison, and all of them if twice k are compared.
"""

from typing import Any

import lance

RQ_BITS = 4  # a number of a vector; more bits are larger on disk, fewer need more exact comparisons
_PARTITIONS = 20
_FILTERED_PARTITIONS = 50  # few rows of each partition pass
_EF = 200  # candidates of HNSW


def vector_index_of(table: lance.LanceDataset) -> Any | None:
    """Return Lance's description of the index of `vector`, or None."""
    return next((index for index in table.describe_indices() if "vector" in index.field_names), None)


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
