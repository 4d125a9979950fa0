"""The files of an export in each format, written batch by batch."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from lance.fragment import write_fragments

from lake.export.folder import ExportFolder
from lake.export.rows import BATCH_ROWS, SnapshotRows
from lake.storage.lake import STORAGE_VERSION
from lake.storage.vectors import to_matrix
from schemas.errors import UserError

GROUP_BYTES = 64 << 20
GROUP_ROWS = (1 << 14, 1 << 17)
PART_GROUPS = 8
FLAT_ROWS = 20_000  # up to this size an exact scan answers in milliseconds
METADATA_KEY = b"tonelake"  # in a Parquet file's metadata: the plan it was written by, as JSON
_HNSW_NEIGHBOURS, _HNSW_EF_CONSTRUCTION = 32, 200
_PACKAGES = {"faiss": "faiss-cpu", "hnswlib": "hnswlib"}

Plan = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file of an export, yet to be written.

    `write(path)` yields after each batch of rows. `metadata`, in Parquet files, tells which rows they contain.
    """

    name: str
    rows: int
    write: Callable[[str], Iterator[None]]
    metadata: bytes | None = None


def plan_files(folder: ExportFolder, rows: SnapshotRows, plan: Plan) -> list[OutputFile]:
    """Return the files of an export, without the manifest and without the removed ids."""
    if plan["format"] == "parquet":
        return _plan_parts(rows, plan)
    if plan["format"] == "lance":
        return [OutputFile("tracks.lance", len(rows), partial(_write_lance, rows, folder))]
    others = tuple(name for name in rows.schema.names if name != "vector")
    tracks = _parquet_file("tracks.parquet", replace(rows, columns=others), 0, len(rows), plan)
    name, write = {
        "npy": ("vectors.npy", _write_npy),
        "faiss": ("index.faiss", _write_faiss),
        "hnsw": ("index.hnsw", _write_hnsw),
    }[plan["format"]]
    return [tracks, OutputFile(name, len(rows), partial(write, replace(rows, columns=("vector",))))]


def removed_file(removed: pa.Table) -> OutputFile:
    """Return the file of the ids that readers must drop."""

    def write(path: str) -> Iterator[None]:
        pq.write_table(removed, path, compression="zstd")
        yield

    return OutputFile("removed.parquet", len(removed), write)


def describe_index(plan: Plan, rows: int) -> Plan:
    """Return what a manifest says about the index of the export; {} without one.

    Raises UserError if the package of the index is not installed.
    """
    if plan["format"] == "faiss":
        _import_package("faiss")
        kind = "flat" if rows <= FLAT_ROWS else "hnsw"
        return {"index": {"library": "faiss", "kind": kind, "metric": "inner product"}}
    if plan["format"] == "hnsw":
        _import_package("hnswlib")
        return {"index": {"library": "hnswlib", "kind": "hnsw", "space": "ip", "label": "row of tracks.parquet"}}
    return {}


def is_reusable(folder: ExportFolder, file: OutputFile) -> bool:
    """Return whether an earlier try wrote the whole file from the same rows."""
    if not folder.has_file(file.name):
        return False
    if file.metadata is None:
        return True
    try:
        with folder.file_system.open(f"{folder.staging_dir}/{file.name}", "rb") as stream:
            return bool((pq.read_metadata(stream).metadata or {}).get(METADATA_KEY) == file.metadata)
    except pa.ArrowInvalid:
        return False


def rows_metadata(plan: Plan, start: int, stop: int) -> bytes:
    """Return the metadata of a Parquet file of the rows from `start` to `stop`."""
    return json.dumps(plan | {"rows": [start, stop]}, sort_keys=True).encode()


def group_rows(schema: pa.Schema) -> int:
    """Return the number of rows of a Parquet row group.

    One thread of DuckDB, Polars or pandas reads a row group and holds it in memory. It has about 64 MB of vectors, at
    least 16,384 rows (smaller ones cost more in requests than in data) and at most 131,072 (DuckDB's own have
    122,880), so that a file keeps several threads busy. A part has eight row groups, about half a gigabyte.
    """
    width = schema.field("vector").type.list_size * 4 if "vector" in schema.names else 0
    return min(GROUP_ROWS[1], max(GROUP_ROWS[0], GROUP_BYTES // (width + 512)))


def _plan_parts(rows: SnapshotRows, plan: Plan) -> list[OutputFile]:
    """Return the Parquet parts. An export without rows has one part, whose columns can be read."""
    size = PART_GROUPS * group_rows(rows.schema)
    starts = range(0, max(1, len(rows)), size)
    return [
        _parquet_file(f"part-{number:05d}.parquet", rows, start, min(len(rows), start + size), plan)
        for number, start in enumerate(starts)
    ]


def _parquet_file(name: str, rows: SnapshotRows, start: int, stop: int, plan: Plan) -> OutputFile:
    metadata = rows_metadata(plan, start, stop)
    return OutputFile(name, stop - start, partial(_write_parquet, rows, start, stop, metadata), metadata)


def _write_parquet(rows: SnapshotRows, start: int, stop: int, metadata: bytes, path: str) -> Iterator[None]:
    schema = pa.schema([field.remove_metadata() for field in rows.schema], metadata={METADATA_KEY: metadata})
    dictionary_columns = [field.name for field in schema if field.name != "vector"]  # vectors seldom repeat
    size = group_rows(schema)
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=dictionary_columns) as writer:
        for group in _row_groups(rows, schema, start, stop):
            if group is not None:
                writer.write_table(group, row_group_size=size)
            yield


def _row_groups(rows: SnapshotRows, schema: pa.Schema, start: int, stop: int) -> Iterator[pa.Table | None]:
    """Yield for each batch a whole row group, or None while it is incomplete.

    The last row group, which is smaller, comes in addition.
    """
    size, pending = group_rows(schema), schema.empty_table()
    for batch in rows.batches(start, stop):
        pending = pa.concat_tables([pending, batch.cast(schema)])
        if len(pending) >= size:
            yield pending.slice(0, size)
            pending = pending.slice(size)
        else:
            yield None
    if len(pending):
        yield pending


def _write_npy(rows: SnapshotRows, path: str) -> Iterator[None]:
    shape = (len(rows), _dim(rows))
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        for vectors in _vector_batches(rows):
            file.write(vectors.tobytes())
            yield


def _write_lance(rows: SnapshotRows, folder: ExportFolder, path: str) -> Iterator[None]:
    """Write fragments of a row group's size, then commit them as one version."""
    options = None if folder.is_local else folder.s3.lance_options()
    schema = pa.schema([field.remove_metadata() for field in rows.schema])
    written = []
    for group in _row_groups(rows, schema, 0, len(rows)):
        if group is not None:
            written += write_fragments(
                group,
                path,
                schema=schema,
                mode="create",
                storage_options=options,
                data_storage_version=STORAGE_VERSION,
            )
        yield
    lance.LanceDataset.commit(path, lance.LanceOperation.Overwrite(schema, written), storage_options=options)


def _write_faiss(rows: SnapshotRows, path: str) -> Iterator[None]:
    faiss = _import_package("faiss")
    if len(rows) <= FLAT_ROWS:
        index = faiss.IndexFlatIP(_dim(rows))
    else:
        index = faiss.IndexHNSWFlat(_dim(rows), _HNSW_NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _HNSW_EF_CONSTRUCTION
    for vectors in _vector_batches(rows):
        index.add(vectors)
        yield
    faiss.write_index(index, path)


def _write_hnsw(rows: SnapshotRows, path: str) -> Iterator[None]:
    index = _import_package("hnswlib").Index("ip", _dim(rows))
    index.init_index(max(1, len(rows)), M=_HNSW_NEIGHBOURS, ef_construction=_HNSW_EF_CONSTRUCTION)
    for number, vectors in enumerate(_vector_batches(rows)):
        start = number * BATCH_ROWS
        index.add_items(vectors, np.arange(start, start + len(vectors)))
        yield
    index.save_index(path)


def _vector_batches(rows: SnapshotRows) -> Iterator[np.ndarray]:
    return (to_matrix(batch["vector"]) for batch in rows.batches(0, len(rows)))


def _dim(rows: SnapshotRows) -> int:
    return int(rows.schema.field("vector").type.list_size)


def _import_package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        needs = " (it needs a C++ compiler)" if name == "hnswlib" else ""
        raise UserError(f"this format needs {name}: pip install {_PACKAGES[name]}{needs}") from error
