"""Few fragments, and indexes where they pay: after a run what has gathered, in a weekly maintenance all of it."""

import logging
import os
from typing import Any

os.environ.setdefault("LANCE_INCLUDE_VECTOR_CENTROIDS", "false")  # else Lance prints a warning of its own future

import lance
from lance.optimize import Compaction

from lake.storage.lake import Lake
from schemas.encoders import EncoderSpec
from schemas.tables import embeddings_table, features_table, windows_table

logging.getLogger("pylance").setLevel(logging.WARNING)  # it reports how long each build took

# Measured on 384 float16 numbers: below 20,000 rows a flat scan answers in milliseconds;
# HNSW with 8-bit codes finds more of the true neighbours but its build takes minutes beyond half a million.
VECTOR_INDEX_ROWS = 20_000
HNSW_MAX_ROWS = 500_000
SMALL_FRAGMENTS = 16
MAX_SEGMENTS = 4  # of a vector index, before a maintenance builds it anew: about a week of nightly runs

# A fragment is as large as its rows are wide, and a step rewrites a few of them: windows of a track may be 1 MB.
# Measured peaks of the process on windows of 41 kB a track: 635 MB for 1.3 GB of them, 628 MB for 3.3 GB, so it is
# flat; with Lance's own bounds 548 and 674 MB, in one commit that a kill loses whole.
FRAGMENT_ROWS = 1 << 20
FRAGMENT_BYTES = 512 << 20
STEP_BYTES = 4 * FRAGMENT_BYTES  # a step must hold the largest task, or it would do nothing
BATCH_BYTES = 16 << 20

_SCALARS = {"track_id": "BTREE", "artist": "BTREE", "year": "BTREE", "genres": "LABEL_LIST", "tag_names": "LABEL_LIST"}


def tend(lake: Lake, spec: EncoderSpec) -> None:
    """Compacts the run's tables where many small fragments have gathered, then builds or extends their indexes."""
    names = lake.names()
    for name in ("tracks", "quarantine", features_table(spec), windows_table(spec), embeddings_table(spec)):
        if name in names:
            table = lake.table(name)
            if len(table.get_fragments()) >= SMALL_FRAGMENTS:
                compact(table)
    for name in ("tracks", embeddings_table(spec)):
        if name in names:
            update_indexes(lake.table(name), name)


def compact(table: lance.LanceDataset) -> int:
    """Merges small fragments and drops deleted rows, in commits of bounded size; how many fragments it replaced."""
    replaced = 0
    while done := table.optimize.compact_files(**_bounds(table)).fragments_removed:
        replaced += done
    return replaced


def to_compact(table: lance.LanceDataset) -> int:
    """How many fragments `compact` would replace."""
    tasks = Compaction.plan(table, _bounds(table)).tasks
    return sum(len(task.fragments) for task in tasks)


def _bounds(table: lance.LanceDataset) -> dict[str, int]:
    metadata = [fragment.metadata for fragment in table.get_fragments()]
    size = sum(file.file_size_bytes or 0 for fragment in metadata for file in fragment.files)
    row = max(1, size // max(1, sum(fragment.physical_rows for fragment in metadata)))
    return {
        "target_rows_per_fragment": max(1, min(FRAGMENT_ROWS, FRAGMENT_BYTES // row)),
        "max_source_bytes": STEP_BYTES,
        "batch_size": max(16, min(8192, BATCH_BYTES // row)),
    }


def update_indexes(table: lance.LanceDataset, name: str, *, merge: bool = False) -> list[str]:
    """Builds what is missing or no longer of the right kind, extends the others; says what it did.

    A vector index grows by a segment each time, and every search asks every segment: `merge` builds it anew where many
    have gathered.
    """
    done = []
    for column, kind in wanted_indexes(table, name, merge=merge).items():
        if isinstance(kind, dict):
            table.create_index(column, metric="cosine", replace=True, **kind)
        else:
            table.create_scalar_index(column, kind)
        done.append(f"built {kind['index_type'] if isinstance(kind, dict) else kind} of {column}")
    for index in table.describe_indices():
        if loose := unindexed(table, index):
            # A vector index only grows: Lance's own merging joins its partitions. Measured on 550,000 rows of 64
            # numbers: 741 partitions became 190, and of the true ten nearest a search found 74 % instead of 89 %.
            grow = {"num_indices_to_merge": 0} if index.field_names == ["vector"] else {}
            table.optimize.optimize_indices(index_names=[index.name], **grow)
            done.append(f"added {loose:,} rows to {index.name}")
    return done


def wanted_indexes(table: lance.LanceDataset, name: str, *, merge: bool = False) -> dict[str, str | dict[str, Any]]:
    """The columns whose index is to be built, or built anew because the table has outgrown it."""
    rows = table.count_rows()
    if not rows or not (name == "tracks" or name.startswith("embeddings__")):
        return {}
    there = {column: index for index in table.describe_indices() for column in index.field_names}
    scalars = {"track_id": "BTREE"} if name == "tracks" else _SCALARS
    wanted: dict[str, str | dict[str, Any]] = {column: kind for column, kind in scalars.items() if column not in there}
    if name != "tracks" and rows >= VECTOR_INDEX_ROWS:
        kind, index = vector_index(rows), there.get("vector")
        many = merge and index is not None and len(index.segments) > MAX_SEGMENTS
        if many or index is None or index.index_type != kind["index_type"] or _outgrown(table, index.name, kind):
            wanted["vector"] = kind
    return wanted


def vector_index(rows: int) -> dict[str, Any]:
    """Kind and partitions of the vector index for a table of this many rows."""
    if rows <= HNSW_MAX_ROWS:
        return {"index_type": "IVF_HNSW_SQ", "num_partitions": 1}
    return {"index_type": "IVF_RQ", "num_partitions": int(rows**0.5), "num_bits": 1}


def unindexed(table: lance.LanceDataset, index: Any) -> int:
    """Rows that a search through this index has to read one by one."""
    return max(0, table.count_rows() - index.num_rows_indexed)


def _outgrown(table: lance.LanceDataset, name: str, kind: dict[str, Any]) -> bool:
    """Fewer than half of the partitions that a table of this size gets: four times the rows it was trained on."""
    partitions = kind["num_partitions"]
    return partitions > 1 and 2 * len(table.get_ivf_model(name).centroids) <= partitions
