"""The rows of one encoder version, held against the registry and the spec: ids in columns, vectors in batches."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.connect import Lake
from lake.plan import plan
from lake.sql import among
from schemas.care import Finding
from schemas.encoders import EncoderSpec
from schemas.tables import embeddings_table, features_table, windows_table

NORM_TOLERANCE = 2e-3  # float16 numbers of a unit vector leave a norm within 1 +- 0.001
BATCH_ROWS = 8192
SHARD_TRACKS = 1_000_000
TOLD_AT_MOST = 100_000  # of the rows of one finding that are named to be dropped; the next round names more

Found = Iterator[Finding | None]


@dataclass(frozen=True, slots=True)
class Ids:
    """Columns of a table that tell which track a row is of, and of which file: no vector is among them."""

    table: pa.Table

    @classmethod
    def of(cls, lake: Lake, name: str, *more: str, where: str | None = None) -> "Ids":
        columns = ["track_id", "source_version", *more]
        return cls(lake.table(name).to_table(columns=columns, filter=where).combine_chunks())

    def in_any_version(self, others: "Ids") -> pa.ChunkedArray:
        """For each row: have the others a row of the same track?"""
        return pc.is_in(self.table["track_id"], _flat(others.table["track_id"]))

    def among(self, others: "Ids") -> pa.ChunkedArray:
        """For each row: have the others a row of the same track and file?"""
        place = pc.index_in(self.table["track_id"], _flat(others.table["track_id"]))
        there = _flat(others.table["source_version"]).take(_flat(place))
        return pc.fill_null(pc.equal(there, _flat(self.table["source_version"])), False)

    def only(self, mask: pa.ChunkedArray) -> "Ids":
        return Ids(self.table.filter(mask))


def check_version(lake: Lake, spec: EncoderSpec, names: set[str], keep_windows: bool) -> Found:
    """Coverage, ids, versions and vectors of the tables of one version that is in `encoders` and has its table."""
    registry = Ids.of(lake, "tracks", "state")
    rows = Ids.of(lake, embeddings_table(spec), "tags_version")
    yield None
    for table in (embeddings_table(spec), features_table(spec), windows_table(spec)):
        if table in names:
            yield from _unknown(lake, table, registry)
    yield from _tags(lake, spec, rows)
    yield from _left(lake, spec, registry, rows)
    yield from _coverage(lake, spec, registry, rows)
    yield from _complete(lake, spec, rows.only(rows.among(registry)), names, keep_windows)
    yield from _vectors(lake, embeddings_table(spec), "vector", True)
    if spec.stores_features and features_table(spec) in names:
        yield from _vectors(lake, features_table(spec), "features", False)


def _unknown(lake: Lake, table: str, registry: Ids) -> Found:
    rows = Ids.of(lake, table)
    strange = rows.only(pc.invert(rows.in_any_version(registry)))
    if len(strange.table):
        what = "rows of tracks that the registry does not know"
        yield _finding(lake, table, "unknown", what, strange.table["track_id"])
    yield None


def _tags(lake: Lake, spec: EncoderSpec, rows: Ids) -> Found:
    other = pc.sum(pc.invert(pc.equal(rows.table["tags_version"], spec.tags_version))).as_py() or 0
    if other:
        what = f"rows with tags of another tagger than {spec.tags_version}"
        run = f"tonelake --encoder {spec.address} index SOURCE"
        yield Finding("version", lake.uri, embeddings_table(spec), other, what, run)
    yield None


def _left(lake: Lake, spec: EncoderSpec, registry: Ids, rows: Ids) -> Found:
    """Only of active tracks are rows found by search: of the others a refresh that was killed left them there."""
    gone = registry.only(pc.not_equal(registry.table["state"], "active"))
    left = rows.only(rows.in_any_version(gone)).table["track_id"]
    if len(left):
        what = f"rows of tracks that vanished or were forgotten, still found by search, such as {left[0]}"
        yield Finding("vanished", lake.uri, embeddings_table(spec), len(left), what, "tonelake refresh")
    yield None


def identity(lake: Lake, spec: EncoderSpec) -> tuple[int, int, int, int]:
    """How many tracks are expected, embedded, quarantined and pending; the first is the sum of the others, or rows
    are in the table twice: expected, embedded and quarantined are counted in their tables, pending is what a plan
    would do.
    """
    return _counted(lake, spec, Ids.of(lake, "tracks", "state"), Ids.of(lake, embeddings_table(spec), "tags_version"))


def _counted(lake: Lake, spec: EncoderSpec, registry: Ids, rows: Ids) -> tuple[int, int, int, int]:
    active = registry.only(pc.equal(registry.table["state"], "active"))
    active = Ids(active.table.select(["track_id", "source_version"]).sort_by("track_id"))
    ours = rows.only(pc.equal(rows.table["tags_version"], spec.tags_version))
    ours = ours.only(ours.among(active))
    quarantined = 0
    if "quarantine" in lake.names():
        held = Ids.of(lake, "quarantine", where=f"feature_version = '{spec.feature_version}'")
        held = held.only(held.among(active))
        quarantined = len(held.only(pc.invert(held.among(ours))).table)
    shards = range(0, len(active.table), SHARD_TRACKS)
    pending = sum(len(plan(lake, spec, active.table.slice(start, SHARD_TRACKS)).pending) for start in shards)
    return len(active.table), len(ours.table), quarantined, pending


def _coverage(lake: Lake, spec: EncoderSpec, registry: Ids, rows: Ids) -> Found:
    expected, embedded, quarantined, pending = _counted(lake, spec, registry, rows)
    if expected != embedded + quarantined + pending:
        what = f"{expected:,} expected, but {embedded:,} embedded + {quarantined:,} quarantined + {pending:,} pending"
        count = abs(expected - embedded - quarantined - pending)
        run = "tonelake maintain --mend"
        yield Finding("coverage", lake.uri, embeddings_table(spec), count, what, run)
    yield None


def _complete(lake: Lake, spec: EncoderSpec, rows: Ids, names: set[str], keep_windows: bool) -> Found:
    """Features of every row of a current file, windows too where they are kept and none came from stored features.

    A row of what the file used to be stays until it is replaced; another head of its backbone may have been quicker.
    """
    due = [features_table(spec)] if spec.stores_features else []
    due += [windows_table(spec)] if keep_windows and not spec.stores_features and windows_table(spec) in names else []
    for table in due:
        held = Ids.of(lake, table) if table in names else Ids(rows.table.slice(0, 0))
        without = rows.only(pc.invert(rows.among(held)))
        if len(without.table):
            what = f"embedded tracks without a row of the same file in {table}"
            yield _finding(lake, embeddings_table(spec), "complete", what, without.table["track_id"])
        yield None


def _vectors(lake: Lake, table: str, column: str, unit: bool) -> Found:
    """Every vector is there and finite, and of norm 1 where `unit`."""
    bad: list[str] = []
    for batch in lake.table(table).to_batches(columns=["track_id", column], batch_size=BATCH_ROWS):
        wrong = wrong_vectors(batch.column(column), unit)
        bad += batch.column("track_id").filter(pa.array(wrong)).to_pylist()
        yield None
    if bad:
        what = f"rows whose {column} is missing, not finite{' or not of norm 1' if unit else ''}"
        yield _finding(lake, table, "vectors", what, pa.chunked_array([bad]))


def wrong_vectors(column: pa.FixedSizeListArray, unit: bool) -> np.ndarray:
    """bool [N]: null, not finite or, where `unit`, not of norm 1."""
    width = column.type.list_size
    numbers = pc.fill_null(column, pa.scalar([np.nan] * width, column.type)) if column.null_count else column
    flat = numbers.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, width)
    with np.errstate(all="ignore"):
        norms = np.linalg.norm(flat, axis=1)
    return ~(np.abs(norms - 1) <= NORM_TOLERANCE) if unit else ~np.isfinite(norms)


def _finding(lake: Lake, table: str, check: str, what: str, tracks: pa.ChunkedArray) -> Finding:
    """A finding whose rows can be dropped: their tracks are pending then, or were never asked for."""
    ids = tracks.slice(0, TOLD_AT_MOST).to_pylist()
    drop = tuple(among("track_id", ids[start : start + 1000]) for start in range(0, len(ids), 1000))
    told = f"{what}, such as {ids[0]}"
    return Finding(
        check, lake.uri, table, len(tracks), told, "tonelake maintain --mend, then tonelake index SOURCE", drop
    )


def _flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
