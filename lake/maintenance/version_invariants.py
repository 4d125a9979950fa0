"""The rows of one encoder version, held against the registry and the spec: ids in columns, vectors in batches."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.plan import plan
from lake.storage.arrow import alike, is_among
from lake.storage.filters import among_each
from lake.storage.lake import Lake
from lake.storage.vectors import BATCH_ROWS
from schemas.encoders import EncoderSpec
from schemas.maintenance import Finding
from schemas.tables import embeddings_table, features_table, windows_table

NORM_TOLERANCE = 2e-3  # float16 numbers of a unit vector leave a norm within 1 +- 0.001
SHARD_TRACKS = 1_000_000
TOLD_AT_MOST = 100_000  # of the rows of one finding that are named to be dropped; the next round names more

Found = Iterator[Finding | None]


def check_version(lake: Lake, spec: EncoderSpec, names: set[str], keep_windows: bool) -> Found:
    """Coverage, ids, versions and vectors of the tables of one version that is in `encoders` and has its table."""
    registry = _files(lake, "tracks", "state")
    rows = _files(lake, embeddings_table(spec), "tags_version")
    yield None
    for table in (embeddings_table(spec), features_table(spec), windows_table(spec)):
        if table in names:
            yield from _unknown(lake, table, registry)
    yield from _tags(lake, spec, rows)
    yield from _left(lake, spec, registry, rows)
    yield from _coverage(lake, spec, registry, rows)
    yield from _complete(lake, spec, rows.filter(alike(rows, registry)), names, keep_windows)
    yield from _vectors(lake, embeddings_table(spec), "vector", True)
    if spec.stores_features and features_table(spec) in names:
        yield from _vectors(lake, features_table(spec), "features", False)


def _files(lake: Lake, name: str, *more: str, where: str | None = None) -> pa.Table:
    """Which track each row of a table is of, and which file of it; no vector is read."""
    return lake.table(name).to_table(columns=["track_id", "source_version", *more], filter=where)


def _unknown(lake: Lake, table: str, registry: pa.Table) -> Found:
    rows = _files(lake, table)
    strange = rows["track_id"].filter(pc.invert(is_among(rows["track_id"], registry["track_id"])))
    if len(strange):
        yield _finding(lake, table, "unknown", "rows of tracks that the registry does not know", strange)
    yield None


def _tags(lake: Lake, spec: EncoderSpec, rows: pa.Table) -> Found:
    other = pc.sum(pc.invert(pc.equal(rows["tags_version"], spec.tags_version))).as_py() or 0
    if other:
        what = f"rows with tags of another tagger than {spec.tags_version}"
        run = f"tonelake --encoder {spec.address} index SOURCE"
        yield Finding("version", lake.uri, embeddings_table(spec), other, what, run)
    yield None


def _left(lake: Lake, spec: EncoderSpec, registry: pa.Table, rows: pa.Table) -> Found:
    """Only of active tracks are rows found by search: of the others a refresh that was killed left them there."""
    gone = registry["track_id"].filter(pc.not_equal(registry["state"], "active"))
    left = rows["track_id"].filter(is_among(rows["track_id"], gone))
    if len(left):
        what = f"rows of tracks that vanished or were forgotten, still found by search, such as {left[0]}"
        yield Finding("vanished", lake.uri, embeddings_table(spec), len(left), what, "tonelake refresh")
    yield None


def identity(lake: Lake, spec: EncoderSpec) -> tuple[int, int, int, int]:
    """How many tracks are expected, embedded, quarantined and pending; the first is the sum of the others, or rows
    are in the table twice: expected, embedded and quarantined are counted in their tables, pending is what a plan
    would do.
    """
    return _counted(lake, spec, _files(lake, "tracks", "state"), _files(lake, embeddings_table(spec), "tags_version"))


def _counted(lake: Lake, spec: EncoderSpec, registry: pa.Table, rows: pa.Table) -> tuple[int, int, int, int]:
    active = registry.filter(pc.equal(registry["state"], "active"))
    active = active.select(["track_id", "source_version"]).sort_by("track_id")
    ours = rows.filter(pc.equal(rows["tags_version"], spec.tags_version))
    ours = ours.filter(alike(ours, active))
    quarantined = 0
    if "quarantine" in lake.names():
        held = _files(lake, "quarantine", where=f"feature_version = '{spec.feature_version}'")
        held = held.filter(alike(held, active))
        quarantined = len(held.filter(pc.invert(alike(held, ours))))
    shards = range(0, len(active), SHARD_TRACKS)
    pending = sum(len(plan(lake, spec, active.slice(start, SHARD_TRACKS)).pending) for start in shards)
    return len(active), len(ours), quarantined, pending


def _coverage(lake: Lake, spec: EncoderSpec, registry: pa.Table, rows: pa.Table) -> Found:
    expected, embedded, quarantined, pending = _counted(lake, spec, registry, rows)
    if expected != embedded + quarantined + pending:
        what = f"{expected:,} expected, but {embedded:,} embedded + {quarantined:,} quarantined + {pending:,} pending"
        count = abs(expected - embedded - quarantined - pending)
        run = "tonelake maintain --mend"
        yield Finding("coverage", lake.uri, embeddings_table(spec), count, what, run)
    yield None


def _complete(lake: Lake, spec: EncoderSpec, rows: pa.Table, names: set[str], keep_windows: bool) -> Found:
    """Features of every row of a current file, windows too where they are kept and none came from stored features.

    A row of what the file used to be stays until it is replaced; another head of its backbone may have been quicker.
    """
    due = [features_table(spec)] if spec.stores_features else []
    due += [windows_table(spec)] if keep_windows and not spec.stores_features and windows_table(spec) in names else []
    for table in due:
        held = _files(lake, table) if table in names else rows.slice(0, 0)
        without = rows["track_id"].filter(pc.invert(alike(rows, held)))
        if len(without):
            what = f"embedded tracks without a row of the same file in {table}"
            yield _finding(lake, embeddings_table(spec), "complete", what, without)
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
    drop = tuple(among_each("track_id", ids))
    told = f"{what}, such as {ids[0]}"
    return Finding(
        check, lake.uri, table, len(tracks), told, "tonelake maintain --mend, then tonelake index SOURCE", drop
    )
