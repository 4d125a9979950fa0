"""The files that an export is made of, in each format; each is written a batch of rows at a time."""

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

from lake.export.folder import Folder
from lake.export.rows import BATCH_ROWS, Rows
from lake.storage.lake import STORAGE_VERSION
from lake.storage.vectors import matrix
from schemas.errors import UserError

GROUP_BYTES = 64 << 20
GROUP_ROWS = (1 << 14, 1 << 17)
PART_GROUPS = 8
FLAT_ROWS = 20_000  # up to here a scan answers in milliseconds, and finds all
KEY = b"tonelake"  # of a Parquet file's metadata: what it is, as JSON
_M, _EF = 32, 200
_PACKAGES = {"faiss": "faiss-cpu", "hnswlib": "hnswlib"}

Plan = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of an export: `write(path)` yields after each batch of rows; `holds` says if the one there is it."""

    name: str
    rows: int
    write: Callable[[str], Iterator[None]]
    about: bytes | None = None


def pieces(folder: Folder, rows: Rows, plan: Plan) -> list[Piece]:
    """Everything but the manifest, and but what was removed."""
    if plan["format"] == "parquet":
        return _parts(rows, plan)
    if plan["format"] == "lance":
        return [Piece("tracks.lance", len(rows), partial(_lance, rows, folder))]
    others = tuple(name for name in rows.schema.names if name != "vector")
    tracks = _parquet_piece("tracks.parquet", replace(rows, columns=others), 0, len(rows), plan)
    name, write = {
        "npy": ("vectors.npy", _npy),
        "faiss": ("index.faiss", _faiss),
        "hnsw": ("index.hnsw", _hnsw),
    }[plan["format"]]
    return [tracks, Piece(name, len(rows), partial(write, replace(rows, columns=("vector",))))]


def removed_piece(removed: pa.Table) -> Piece:
    """The ids that an increment takes away."""

    def write(path: str) -> Iterator[None]:
        pq.write_table(removed, path, compression="zstd")
        yield

    return Piece("removed.parquet", len(removed), write)


def index_of(plan: Plan, rows: int) -> Plan:
    """What a manifest says of the index in it; UserError where its package is missing."""
    if plan["format"] == "faiss":
        _package("faiss")
        kind = "flat" if rows <= FLAT_ROWS else "hnsw"
        return {"index": {"library": "faiss", "kind": kind, "metric": "inner product"}}
    if plan["format"] == "hnsw":
        _package("hnswlib")
        return {"index": {"library": "hnswlib", "kind": "hnsw", "space": "ip", "label": "row of tracks.parquet"}}
    return {}


def kept(folder: Folder, piece: Piece) -> bool:
    """Whether an earlier try wrote the file whole, from the same rows."""
    if piece.about is None or not folder.holds(piece.name):
        return folder.holds(piece.name)
    try:
        with folder.files.open(f"{folder.stage}/{piece.name}", "rb") as file:
            return (pq.read_metadata(file).metadata or {}).get(KEY) == piece.about
    except pa.ArrowInvalid:
        return False


def group_rows(schema: pa.Schema) -> int:
    """Rows of a Parquet row group.

    A row group is what DuckDB, Polars and pandas read by one thread and hold at once: about 64 MB of vectors, but no
    fewer than 16,384 rows (or each would cost a request more than it carries) and no more than 131,072 (DuckDB's own
    are 122,880), so that a file keeps several threads busy. A part is eight of them, about half a gigabyte.
    """
    width = schema.field("vector").type.list_size * 4 if "vector" in schema.names else 0
    return min(GROUP_ROWS[1], max(GROUP_ROWS[0], GROUP_BYTES // (width + 512)))


def _parts(rows: Rows, plan: Plan) -> list[Piece]:
    """An export of nothing is one file too: its columns can be read."""
    size = PART_GROUPS * group_rows(rows.schema)
    starts = range(0, max(1, len(rows)), size)
    return [
        _parquet_piece(f"part-{number:05d}.parquet", rows, start, min(len(rows), start + size), plan)
        for number, start in enumerate(starts)
    ]


def _parquet_piece(name: str, rows: Rows, start: int, stop: int, plan: Plan) -> Piece:
    about = json.dumps(plan | {"rows": [start, stop]}, sort_keys=True).encode()
    return Piece(name, stop - start, partial(_parquet, rows, start, stop, about), about)


def _parquet(rows: Rows, start: int, stop: int, about: bytes, path: str) -> Iterator[None]:
    schema = pa.schema([field.remove_metadata() for field in rows.schema], metadata={KEY: about})
    strings = [field.name for field in schema if field.name != "vector"]  # vectors repeat too seldom for a dictionary
    size = group_rows(schema)
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=strings) as writer:
        for group in _groups(rows, schema, start, stop):
            if group is not None:
                writer.write_table(group, row_group_size=size)
            yield


def _groups(rows: Rows, schema: pa.Schema, start: int, stop: int) -> Iterator[pa.Table | None]:
    """A row group whenever one has gathered, the last one smaller; None after every other batch."""
    size, gathered = group_rows(schema), schema.empty_table()
    for batch in rows.batches(start, stop):
        gathered = pa.concat_tables([gathered, batch.cast(schema)])
        full = len(gathered) >= size
        yield gathered.slice(0, size) if full else None
        gathered = gathered.slice(size if full else 0)
    if len(gathered):
        yield gathered


def _npy(rows: Rows, path: str) -> Iterator[None]:
    shape = (len(rows), _dim(rows))
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        for vectors in _vectors(rows):
            file.write(vectors.tobytes())
            yield


def _lance(rows: Rows, folder: Folder, path: str) -> Iterator[None]:
    """Fragments of a row group's size, one commit: a data set of one version."""
    options = None if folder.is_local else folder.s3.lance_options()
    schema = pa.schema([field.remove_metadata() for field in rows.schema])
    written = []
    for group in _groups(rows, schema, 0, len(rows)):
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


def _faiss(rows: Rows, path: str) -> Iterator[None]:
    faiss = _package("faiss")
    if len(rows) <= FLAT_ROWS:
        index = faiss.IndexFlatIP(_dim(rows))
    else:
        index = faiss.IndexHNSWFlat(_dim(rows), _M, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _EF
    for vectors in _vectors(rows):
        index.add(vectors)
        yield
    faiss.write_index(index, path)


def _hnsw(rows: Rows, path: str) -> Iterator[None]:
    index = _package("hnswlib").Index("ip", _dim(rows))
    index.init_index(max(1, len(rows)), M=_M, ef_construction=_EF)
    for number, vectors in enumerate(_vectors(rows)):
        start = number * BATCH_ROWS
        index.add_items(vectors, np.arange(start, start + len(vectors)))
        yield
    index.save_index(path)


def _vectors(rows: Rows) -> Iterator[np.ndarray]:
    return (matrix(batch["vector"]) for batch in rows.batches(0, len(rows)))


def _dim(rows: Rows) -> int:
    return rows.schema.field("vector").type.list_size


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        needs = " (it needs a C++ compiler)" if name == "hnswlib" else ""
        raise UserError(f"this format needs {name}: pip install {_PACKAGES[name]}{needs}") from error
