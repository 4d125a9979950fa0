"""A resumable writer of nearest neighbours: parts in a hidden folder, then one Parquet file."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from platformdirs import user_cache_path

from lake.export.formats import METADATA_KEY
from lake.export.rows import SnapshotRows
from lake.releases.releases import open_snapshot
from lake.storage.lake import Lake
from lake.storage.store import open_file_system, require_reachable
from lake.storage.vectors import to_matrix
from schemas.errors import UserError, require_no_credentials
from schemas.releases import Snapshot
from schemas.settings import S3Settings

SCHEMA = pa.schema(
    [
        pa.field("track_id", pa.string()),
        pa.field("neighbours", pa.list_(pa.string())),  # the nearest first
        pa.field("scores", pa.list_(pa.float32())),  # their cosines
    ]
)


@dataclass(frozen=True)
class NeighboursWriter:
    """A file of neighbours: a local path or s3://bucket/key. Its metadata is the plan it was written by."""

    uri: str
    s3: S3Settings

    @classmethod
    def at(cls, uri: str, s3: S3Settings) -> "NeighboursWriter":
        """Return the writer of the file at `uri`. Nothing is read or written yet.

        Raises UserError if no file can be written there.
        """
        require_no_credentials(uri)
        if uri.startswith("s3://"):
            require_reachable(s3)
        elif "://" in uri:
            raise UserError(f"cannot write {uri}: use a local path or s3://bucket/key")
        else:
            uri = os.path.abspath(os.path.expanduser(uri))
            if os.path.isdir(uri):
                raise UserError(f"{uri} is a folder: name a file, such as {uri}/similar.parquet")
        return cls(uri, s3)

    @cached_property
    def file_system(self) -> fsspec.AbstractFileSystem:
        """The file system of the file."""
        return open_file_system(self.uri, self.s3)

    @property
    def staging_dir(self) -> Path:
        """The folder of the parts.

        For a file in a store it is in this user's cache, where nobody else can create links.
        """
        if self.uri.startswith("s3://"):
            return user_cache_path("tonelake") / f"similar-{hashlib.sha256(self.uri.encode()).hexdigest()[:16]}"
        path = Path(self.uri)
        return path.with_name(f".{path.name}.unfinished")

    def read_plan(self) -> dict[str, Any] | None:
        """Return the plan of the existing file, or None if there is no file.

        Raises UserError if the file is anything but neighbours.
        """
        try:
            with self.file_system.open(self.uri, "rb") as file:
                plan: dict[str, Any] = json.loads((pq.read_metadata(file).metadata or {})[METADATA_KEY])
                return plan
        except FileNotFoundError:
            return None
        except (pa.ArrowInvalid, KeyError) as error:
            raise UserError(f"{self.uri} is something else than neighbours: give another name") from error

    def is_started(self) -> bool:
        """Return whether the file or parts of it exist."""
        try:
            return self.staging_dir.exists() or self.read_plan() is not None
        except UserError:  # its owner put another file in its place
            return False

    def start(self, plan: dict[str, Any]) -> None:
        """Prepare to write. Parts of another plan are removed."""
        plan_file = self.staging_dir / "plan.json"
        if not plan_file.exists() or json.loads(plan_file.read_text()) != plan:
            shutil.rmtree(self.staging_dir, ignore_errors=True)
            self.staging_dir.mkdir(parents=True)
            plan_file.write_text(json.dumps(plan))

    def has_block(self, block: int) -> bool:
        """Return whether the part of that block was written before."""
        return self._part(block).exists()

    def write_block(self, block: int, track_ids: pa.Array, first: int, rows: np.ndarray, scores: np.ndarray) -> None:
        """Write the part of one block of Q tracks.

        The block starts at index `first` of all `track_ids`. `rows` int [Q, k] are indices of the neighbours in
        `track_ids`, the nearest first; `scores` float [Q, k] are their cosines.
        """
        q, k = rows.shape
        offsets = pa.array(np.arange(0, q * k + 1, k) if k else np.zeros(q + 1), pa.int32())
        neighbours = pa.ListArray.from_arrays(offsets, track_ids.take(pa.array(rows.ravel())))
        cosines = pa.ListArray.from_arrays(offsets, pa.array(scores.ravel(), pa.float32()))
        unfinished = self.staging_dir / "writing"
        pq.write_table(pa.table([track_ids.slice(first, q), neighbours, cosines], schema=SCHEMA), unfinished)
        unfinished.replace(self._part(block))

    def complete(self, blocks: int, plan: dict[str, Any]) -> Iterator[None]:
        """Join all parts into one file and move it to its place.

        Each part is a row group. Yields after each part.
        """
        whole = self.staging_dir / "whole"
        schema = SCHEMA.with_metadata({METADATA_KEY: json.dumps(plan)})
        with pq.ParquetWriter(whole, schema, compression="zstd") as writer:
            for block in range(blocks):
                writer.write_table(pq.read_table(self._part(block)))
                yield
        if self.uri.startswith("s3://"):
            self.file_system.put_file(str(whole), self.uri)
        else:
            whole.replace(self.uri)
        self.remove_temporary_files()

    def remove_temporary_files(self) -> None:
        """Remove the parts, of a finished file or of a killed run."""
        shutil.rmtree(self.staging_dir, ignore_errors=True)

    def remove(self) -> None:
        """Remove the file and its parts."""
        self.remove_temporary_files()
        if self.file_system.exists(self.uri):
            self.file_system.rm_file(self.uri)

    def _part(self, block: int) -> Path:
        return self.staging_dir / f"part-{block:06d}.parquet"


def sorted_track_ids(lake: Lake, snapshot: Snapshot) -> tuple[pa.Array, np.ndarray]:
    """Return the sorted track_ids of a snapshot, and their table rows: int [N]."""
    table = open_snapshot(lake, snapshot).table(snapshot.table)
    track_ids = table.to_table(columns=["track_id"])["track_id"].combine_chunks()
    order = pc.sort_indices(track_ids)
    return track_ids.take(order), order.to_numpy()


def vector_blocks(lake: Lake, snapshot: Snapshot, order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield the vectors in that order, float32 [size, dim] a block. Each is read once."""
    for start in range(0, len(order), size):
        rows = SnapshotRows(lake, snapshot, order[start : start + size], ("vector",))
        yield np.concatenate([to_matrix(batch["vector"]) for batch in rows.batches(0, len(rows))])
