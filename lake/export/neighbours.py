"""A file of nearest neighbours: parts of it in a hidden folder beside it, then one Parquet file in its place."""

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

from lake.export.formats import KEY
from lake.export.rows import Rows
from lake.releases.releases import at
from lake.storage.lake import Lake, file_system, require_reachable
from lake.storage.vectors import matrix
from schemas.errors import UserError, require_no_keys
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
class File:
    """Where neighbours are written, a local path or s3://bucket/key; its metadata says of what they are."""

    uri: str
    s3: S3Settings

    @classmethod
    def at(cls, uri: str, s3: S3Settings) -> "File":
        """Nothing is read or made yet; UserError where no file can be there."""
        require_no_keys(uri)
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
    def files(self) -> fsspec.AbstractFileSystem:
        """The file system that it is on."""
        return file_system(self.uri, self.s3)

    @property
    def stage(self) -> Path:
        """Where the parts are: of a file in a store in this user's own cache, where nobody else can put links."""
        if self.uri.startswith("s3://"):
            return user_cache_path("tonelake") / f"similar-{hashlib.sha256(self.uri.encode()).hexdigest()[:16]}"
        path = Path(self.uri)
        return path.with_name(f".{path.name}.unfinished")

    def plan(self) -> dict[str, Any] | None:
        """What the file there is of; None where there is none. UserError for a file of anything else."""
        try:
            with self.files.open(self.uri, "rb") as file:
                return json.loads((pq.read_metadata(file).metadata or {})[KEY])
        except FileNotFoundError:
            return None
        except (pa.ArrowInvalid, KeyError) as error:
            raise UserError(f"{self.uri} is something else than neighbours: give another name") from error

    def is_begun(self) -> bool:
        """Whether neighbours are here, or parts of them."""
        try:
            return self.stage.exists() or self.plan() is not None
        except UserError:  # its owner put something else in their place
            return False

    def begin(self, plan: dict[str, Any]) -> None:
        """Makes ready to write; parts of another plan go."""
        told = self.stage / "plan.json"
        if not told.exists() or json.loads(told.read_text()) != plan:
            shutil.rmtree(self.stage, ignore_errors=True)
            self.stage.mkdir(parents=True)
            told.write_text(json.dumps(plan))

    def has(self, block: int) -> bool:
        """Whether the part of that block was written before."""
        return self._part(block).exists()

    def add(self, block: int, names: pa.Array, first: int, rows: np.ndarray, scores: np.ndarray) -> None:
        """The part of one block: of all `names`, those from `first` have the neighbours `rows` [Q, k]."""
        q, k = rows.shape
        offsets = pa.array(np.arange(0, q * k + 1, k) if k else np.zeros(q + 1), pa.int32())
        others = pa.ListArray.from_arrays(offsets, names.take(pa.array(rows.ravel())))
        values = pa.ListArray.from_arrays(offsets, pa.array(scores.ravel(), pa.float32()))
        unfinished = self.stage / "writing"
        pq.write_table(pa.table([names.slice(first, q), others, values], schema=SCHEMA), unfinished)
        unfinished.replace(self._part(block))

    def complete(self, blocks: int, plan: dict[str, Any]) -> Iterator[None]:
        """One file of all parts, a row group a part, in its place at once."""
        whole = self.stage / "whole"
        with pq.ParquetWriter(whole, SCHEMA.with_metadata({KEY: json.dumps(plan)}), compression="zstd") as writer:
            for block in range(blocks):
                writer.write_table(pq.read_table(self._part(block)))
                yield
        if self.uri.startswith("s3://"):
            self.files.put_file(str(whole), self.uri)
        else:
            whole.replace(self.uri)
        self.settle()

    def settle(self) -> None:
        """Parts go, of a file that is in its place or of another that was killed."""
        shutil.rmtree(self.stage, ignore_errors=True)

    def remove(self) -> None:
        """The file and its parts go."""
        self.settle()
        if self.files.exists(self.uri):
            self.files.rm_file(self.uri)

    def _part(self, block: int) -> Path:
        return self.stage / f"part-{block:06d}.parquet"


def order_of(lake: Lake, snapshot: Snapshot) -> tuple[pa.Array, np.ndarray]:
    """The track_ids of a snapshot, sorted, and the place of each in its table."""
    names = at(lake, snapshot).table(snapshot.table).to_table(columns=["track_id"])["track_id"].combine_chunks()
    order = pc.sort_indices(names)
    return names.take(order), order.to_numpy()


def blocks_of(lake: Lake, snapshot: Snapshot, order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """The vectors in that order, float32 [size, dim] a block; each is read once."""
    for start in range(0, len(order), size):
        rows = Rows(lake, snapshot, order[start : start + size], ("vector",))
        yield np.concatenate([matrix(batch["vector"]) for batch in rows.batches(0, len(rows))])
