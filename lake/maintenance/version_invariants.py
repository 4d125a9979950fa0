"""Invariants of one encoder version: its rows compared with the registry and the spec. Nothing is written."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.descriptions import current_rows, find_undescribed
from lake.catalogue.plan import make_plan
from lake.embeddings.stale import examine_rows, find_lost
from lake.embeddings.stretches import lacks_stretches
from lake.storage.arrow import is_in, same_version, string_column
from lake.storage.filters import in_clauses
from lake.storage.lake import Lake
from lake.storage.vectors import BATCH_ROWS
from schemas import clock
from schemas.encoders import EncoderSpec
from schemas.maintenance import Finding
from schemas.settings import Settings
from schemas.tables import embeddings_table, features_table, map_table, windows_table

REPAIR = "tonelake maintain --repair"
NORM_TOLERANCE = 2e-3  # the norm of a unit vector in float16 is within 1 +- 0.001
SHARD_TRACKS = 1_000_000
MAX_DROPPED = 100_000  # rows that one finding names to be dropped; the next round names more

Advance = Callable[[], None]  # called after each piece of work


class CoverageCounts(NamedTuple):
    """Tracks by state. Pending is what a plan would embed; the others are counted in their tables."""

    expected: int
    embedded: int
    quarantined: int
    pending: int

    @property
    def difference(self) -> int:
        """Expected minus all others; not 0 if a row is there twice."""
        return self.expected - self.embedded - self.quarantined - self.pending


def check_version(
    lake: Lake, spec: EncoderSpec, names: set[str], settings: Settings, advance: Advance
) -> Iterator[Finding]:
    """Yield what is wrong with the tables of one version.

    `names` are the tables that can be read, the version's embeddings table among them. Vectors are read in batches;
    ids and versions are held as whole columns.
    """
    registry = _read_files(lake, "tracks", "state")
    rows = _read_files(lake, embeddings_table(spec), "tags_version")
    advance()
    for table in (embeddings_table(spec), features_table(spec), windows_table(spec), map_table(spec)):
        if table in names:
            yield from _check_registered(lake, table, registry)
            advance()
    yield from _check_tags(lake, spec, rows)
    yield from _check_active(lake, spec, registry, rows)
    yield from _check_coverage(lake, spec, registry, rows)
    yield from _check_searchable(lake, spec, settings.stale_days)
    yield from _check_descriptions(lake, spec)
    if settings.keep_stretches and windows_table(spec) in names:
        yield from _check_stretches(lake, windows_table(spec))
    if map_table(spec) in names:
        yield from _check_positions(lake, map_table(spec))
    advance()
    current = rows.filter(same_version(rows, registry))
    yield from _check_complete(lake, spec, current, names, settings.keep_windows, advance)
    yield from _check_vectors(lake, embeddings_table(spec), "vector", True, advance)
    if spec.stores_features and features_table(spec) in names:
        yield from _check_vectors(lake, features_table(spec), "features", False, advance)


def coverage_counts(lake: Lake, spec: EncoderSpec) -> CoverageCounts:
    """Return the number of expected, embedded, quarantined and pending tracks of a version."""
    registry = _read_files(lake, "tracks", "state")
    return _count_coverage(lake, spec, registry, _read_files(lake, embeddings_table(spec), "tags_version"))


def is_invalid_vector(column: pa.FixedSizeListArray, unit: bool) -> np.ndarray:
    """Return which vectors of a column are invalid: bool [N].

    Invalid are null and not finite, and if `unit`, a norm other than 1.
    """
    dim = column.type.list_size
    column = pc.fill_null(column, pa.scalar([np.nan] * dim, column.type)) if column.null_count else column
    vectors = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, dim)
    with np.errstate(all="ignore"):
        norms = np.linalg.norm(vectors, axis=1)
    valid: np.ndarray = np.abs(norms - 1) <= NORM_TOLERANCE if unit else np.isfinite(norms)
    invalid: np.ndarray = ~valid
    return invalid


def _read_files(lake: Lake, name: str, *columns: str, where: str | None = None) -> pa.Table:
    """Return track_id and source_version of each row of a table, with other columns. No vector is read."""
    return lake.table(name).to_table(columns=["track_id", "source_version", *columns], filter=where)


def _check_registered(lake: Lake, table: str, registry: pa.Table) -> Iterator[Finding]:
    rows = _read_files(lake, table)
    unknown = rows["track_id"].filter(pc.invert(is_in(rows["track_id"], registry["track_id"])))
    if len(unknown):
        yield _droppable(lake, table, "unknown", "rows of tracks that the registry does not know", unknown)


def _check_tags(lake: Lake, spec: EncoderSpec, rows: pa.Table) -> Iterator[Finding]:
    count = pc.sum(pc.invert(pc.equal(rows["tags_version"], spec.tags_version))).as_py() or 0
    if count:
        what = f"rows with tags of another tagger than {spec.tags_version}"
        run = f"tonelake --encoder {spec.folder_or_name} index SOURCE"
        yield Finding("version", lake.uri, embeddings_table(spec), count, what, run)


def _check_active(lake: Lake, spec: EncoderSpec, registry: pa.Table, rows: pa.Table) -> Iterator[Finding]:
    """Check that search finds active tracks only. A killed refresh leaves rows of others."""
    inactive = registry["track_id"].filter(pc.not_equal(registry["state"], "active"))
    stale = rows["track_id"].filter(is_in(rows["track_id"], inactive))
    if len(stale):
        what = f"rows of tracks that vanished or were removed, still found by search, such as {stale[0]}"
        yield Finding("vanished", lake.uri, embeddings_table(spec), len(stale), what, "tonelake refresh")


def _check_coverage(lake: Lake, spec: EncoderSpec, registry: pa.Table, rows: pa.Table) -> Iterator[Finding]:
    counts = _count_coverage(lake, spec, registry, rows)
    if counts.difference:
        what = (
            f"{counts.expected:,} expected, but {counts.embedded:,} embedded + {counts.quarantined:,} quarantined "
            f"+ {counts.pending:,} pending"
        )
        yield Finding("coverage", lake.uri, embeddings_table(spec), abs(counts.difference), what, REPAIR)


def _check_searchable(lake: Lake, spec: EncoderSpec, days: float) -> Iterator[Finding]:
    """Check that each row is embedded or stale.

    Rows of lost or damaged files are named after `days`.
    """
    rows = examine_rows(lake, spec)
    if rows.number != rows.counts.rows:
        what = f"{rows.number:,} rows, but {rows.counts.embedded:,} embedded + {rows.counts.stale:,} stale"
        yield Finding("coverage", lake.uri, embeddings_table(spec), abs(rows.number - rows.counts.rows), what, REPAIR)
    lost = find_lost(lake, spec, rows.stale)
    times = dict(zip(rows.records["track_id"].to_pylist(), rows.records["since"].to_pylist(), strict=True))
    old = string_column(track for track, since in times.items() if clock.now() - since > timedelta(days=days))
    lost = lost.filter(is_in(lost["track_id"], old))
    for source in sorted(lost["source"].unique().to_pylist()):
        tracks = lost.filter(pc.equal(lost["source"], source))["track_id"]
        what = f"search finds files that have been missing or damaged for more than {days:g} days, such as {tracks[0]}"
        run = f"tonelake refresh --accept-loss {source}"
        yield Finding("stale", lake.uri, embeddings_table(spec), len(tracks), what, run)


def _count_coverage(lake: Lake, spec: EncoderSpec, registry: pa.Table, rows: pa.Table) -> CoverageCounts:
    active = registry.filter(pc.equal(registry["state"], "active"))
    active = active.select(["track_id", "source_version"]).sort_by("track_id")
    embedded = rows.filter(pc.equal(rows["tags_version"], spec.tags_version))
    embedded = embedded.filter(same_version(embedded, active))
    quarantined_count = 0
    if lake.find_table("quarantine") is not None:
        quarantined = _read_files(lake, "quarantine", where=f"feature_version = '{spec.feature_version}'")
        quarantined = quarantined.filter(same_version(quarantined, active))
        quarantined_count = len(quarantined.filter(pc.invert(same_version(quarantined, embedded))))
    shards = [active.slice(start, SHARD_TRACKS) for start in range(0, len(active), SHARD_TRACKS)]
    pending_count = sum(len(make_plan(lake, spec, shard).pending) for shard in shards)
    return CoverageCounts(len(active), len(embedded), quarantined_count, pending_count)


def _check_descriptions(lake: Lake, spec: EncoderSpec) -> Iterator[Finding]:
    """Check that descriptions of embedded rows are those of their contents.

    Rows without any are no fault: their lake was described never, or by earlier methods.
    """
    wrong = current_rows(find_undescribed(lake, spec))
    if len(wrong):
        what = f"rows whose tempo, key or loudness is not that of their content, such as {wrong['track_id'][0]}"
        yield Finding("description", lake.uri, embeddings_table(spec), len(wrong), what, "tonelake describe")


def _check_stretches(lake: Lake, name: str) -> Iterator[Finding]:
    """Check that windows have stretches, by which a search for segments finds them."""
    if lacks_stretches(lake, name):
        what = "windows without stretches: a search for segments may miss their tracks"
        yield Finding("stretches", lake.uri, name, lake.table(name).count_rows(), what, "tonelake maintain")


def _check_positions(lake: Lake, name: str) -> Iterator[Finding]:
    """Check that every position of a map is a point of the plane."""
    rows = lake.table(name).to_table(columns=["track_id", "x", "y"])
    is_point = pc.and_(pc.is_finite(rows["x"]), pc.is_finite(rows["y"]))
    lost = rows["track_id"].filter(pc.invert(pc.fill_null(is_point, False)))
    if len(lost):
        finding = _droppable(lake, name, "map", "tracks without a position", lost)
        yield replace(finding, run=f"{REPAIR}, then tonelake map")


def _check_complete(
    lake: Lake, spec: EncoderSpec, rows: pa.Table, names: set[str], keep_windows: bool, advance: Advance
) -> Iterator[Finding]:
    """Check that embedded rows have their features, and their windows if these are kept.

    Rows that were computed from stored features have no windows. The row of an earlier file stays until it is
    replaced, and by then another head of the same backbone may have replaced its features.
    """
    required = []
    if spec.stores_features:
        required.append(features_table(spec))
    elif keep_windows and windows_table(spec) in names:
        required.append(windows_table(spec))
    for table in required:
        stored = _read_files(lake, table) if table in names else rows.slice(0, 0)
        missing = rows["track_id"].filter(pc.invert(same_version(rows, stored)))
        if len(missing):
            what = f"embedded tracks without a row of the same file in {table}"
            yield _droppable(lake, embeddings_table(spec), "complete", what, missing)
        advance()


def _check_vectors(lake: Lake, table: str, column: str, unit: bool, advance: Advance) -> Iterator[Finding]:
    """Check that every vector is finite and, if `unit`, of norm 1."""
    invalid: list[str] = []
    for batch in lake.table(table).to_batches(columns=["track_id", column], batch_size=BATCH_ROWS):
        mask = is_invalid_vector(batch.column(column), unit)
        invalid += batch.column("track_id").filter(pa.array(mask)).to_pylist()
        advance()
    if invalid:
        what = f"rows whose {column} is missing, not finite{' or not of norm 1' if unit else ''}"
        yield _droppable(lake, table, "vectors", what, pa.chunked_array([invalid]))


def _droppable(lake: Lake, table: str, check: str, what: str, tracks: pa.ChunkedArray) -> Finding:
    """Return a finding whose rows can be dropped.

    Their tracks are pending then, or not registered at all.
    """
    ids = tracks.slice(0, MAX_DROPPED).to_pylist()
    drop = tuple(in_clauses("track_id", ids))
    run = f"{REPAIR}, then tonelake index SOURCE"
    return Finding(check, lake.uri, table, len(tracks), f"{what}, such as {ids[0]}", run, drop)
