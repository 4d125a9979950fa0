"""Invariants of a lake: functions that read and yield findings. Nothing is written, no table is held in memory."""

from collections.abc import Generator, Iterator
from functools import partial

import lance
import pyarrow as pa
import pyarrow.compute as pc

from lake.benchmarks import results as evaluations
from lake.catalogue import descriptions, sources
from lake.catalogue.encoders import EncoderVersion, list_encoder_versions
from lake.catalogue.runs import stale_runs
from lake.catalogue.tracks import count_active_tracks
from lake.embeddings.indexes import (
    VECTOR_COLUMNS,
    VECTOR_INDEX_ROWS,
    count_unindexed,
    dimension_of,
    indexes_to_build,
)
from lake.embeddings.vector_index import is_readable
from lake.maintenance import cleanup, damage
from lake.maintenance.version_invariants import REPAIR, Advance, check_version
from lake.releases import releases
from lake.storage.filters import in_clauses, select_in
from lake.storage.holders import expired_holders, unreleased_holders
from lake.storage.lake import Lake
from lake.storage.old_forms import is_old
from lake.takedowns import takedowns
from schemas.encoders import EncoderSpec
from schemas.maintenance import Finding
from schemas.settings import Settings
from schemas.tables import embeddings_table, features_table, map_table, windows_table

MAINTAIN = "tonelake maintain"
MAX_UNINDEXED_FRACTION = 0.1


def check_lake(lake: Lake, settings: Settings, advance: Advance) -> Iterator[Finding]:
    """Yield everything that is wrong with one lake.

    `advance` is called after each piece of work, such as a batch of vectors.
    """
    if is_old(lake):
        yield Finding("format", lake.uri, "", 1, "an earlier tonelake wrote it: it can be read, not written", MAINTAIN)
    unsound = yield from _check_tables(lake, advance)
    sound = lake.folder_names() - unsound
    for name in sorted(sound):
        yield from _check_keys(lake, name)
        advance()
        yield from _check_indexes(lake, name)
        advance()
    if "encoders" in sound:
        for version in list_encoder_versions(lake):
            yield from _check_encoder_version(lake, version, sound, unsound, settings, advance)
    yield from _check_owners(lake, sound)
    yield from _check_sources(lake, sound)
    yield from _check_live_release(lake, sound)
    yield from _check_writers(lake, sound)
    yield from _check_predictions(lake, sound)
    yield from _check_takedowns(lake, sound)


def _check_tables(lake: Lake, advance: Advance) -> Generator[Finding, None, set[str]]:
    """Check that each table can be read and has the files of its version.

    Returns the names of those that do not.
    """
    unsound = set()
    for name in sorted(lake.folder_names()):
        finding = partial(Finding, lake=lake.uri, table=name)
        if not lake.has_version(name):
            unsound.add(name)
            if files := cleanup.table_files(lake, name):  # some stores keep empty folders
                yield finding("table", count=len(files), what="a run was killed while it made it", run=MAINTAIN)
        elif report := damage.inspect_table(lake, name):
            unsound.add(name)
            run = REPAIR if damage.may_repair(name, report) else _restore_command(lake, name)
            yield finding("version", count=len(report.unreadable_manifests), what=str(report), run=run)
        elif missing := _missing_files(lake.table(name)):
            unsound.add(name)
            what = f"files of its newest version are gone, such as {missing[0]}"
            yield finding("files", count=len(missing), what=what, run=_restore_command(lake, name))
        advance()
    return unsound


def _restore_command(lake: Lake, name: str) -> str:
    if name == takedowns.TABLE:
        return "put them back from a backup: without them tracks that were taken down would come back"
    command = "tonelake map" if name.startswith("map__") else "tonelake index SOURCE"
    return f"put them back from a backup, or remove {lake.table_uri(name)} and run: {command}"


def _missing_files(table: lance.LanceDataset) -> list[str]:
    required = set(table.tracked_files(min_version=table.version).read_all()["path"].to_pylist())
    existing = set(table.all_files().read_all()["path"].to_pylist())
    return sorted(required - existing)


def _check_keys(lake: Lake, name: str) -> Iterator[Finding]:
    """Check that the key is unique. Of rows with one key the last written is kept."""
    table = lake.table(name)
    for column in (field.name for field in table.schema if field.metadata):
        counts = pc.value_counts(table.to_table(columns=[column])[column])
        repeated = counts.filter(pc.greater(counts.field("counts"), 1))
        if not len(repeated):
            continue
        surplus = pc.sum(repeated.field("counts")).as_py() - len(repeated)
        what = f"{surplus:,} rows more than it has different {column}, such as {repeated.field('values')[0]}"
        drop = tuple(_surplus_rows(table, column, repeated.field("values")))
        yield Finding("keys", lake.uri, name, surplus, what, REPAIR, drop)


def _surplus_rows(table: lance.LanceDataset, column: str, keys: pa.Array) -> Iterator[str]:
    """Yield SQL conditions on all rows of these keys except the last of each."""
    for condition in in_clauses(column, keys.to_pylist()):
        rows = table.to_table(columns=[column], filter=condition, with_row_id=True)
        last = dict(zip(rows[column].to_pylist(), rows["_rowid"].to_pylist(), strict=True))
        surplus = set(rows["_rowid"].to_pylist()) - set(last.values())
        yield f"_rowid IN ({', '.join(map(str, sorted(surplus)))})"


def _check_indexes(lake: Lake, name: str) -> Iterator[Finding]:
    """Check that a large table has its indexes, and that they hold nearly all rows."""
    table = lake.table(name)
    rows = table.count_rows()
    if rows < VECTOR_INDEX_ROWS:
        return
    finding = partial(Finding, "index", lake.uri, name, run=MAINTAIN)
    if columns := indexes_to_build(table, name):
        yield finding(count=rows, what=f"no index, or none for a table of {rows:,} rows, of {', '.join(columns)}")
    column = VECTOR_COLUMNS.get(name.partition("__")[0], "")
    if not is_readable(table, column, dimension_of(table, column)):
        yield finding(count=rows, what=f"the index of {column} cannot be read: a search compares every vector")
    for index in table.describe_indices():
        unindexed = count_unindexed(table, index)
        if unindexed > MAX_UNINDEXED_FRACTION * rows:
            what = f"{unindexed / rows:.0%} of its rows are not in the index {index.name}"
            yield finding(count=unindexed, what=what)


def _check_encoder_version(
    lake: Lake, version: EncoderVersion, sound: set[str], unsound: set[str], settings: Settings, advance: Advance
) -> Iterator[Finding]:
    """Check a row of `encoders` against its spec and the tables of the version."""
    spec, name = version.spec, embeddings_table(version.spec)
    finding = partial(Finding, "version", lake.uri)
    if version.embedding_version != spec.embedding_version:
        what = f"{version.embedding_version} is written with the spec of {spec.embedding_version}"
        drop = (f"embedding_version = '{version.embedding_version}'",)
        yield finding("encoders", count=1, what=what, run=REPAIR, drop=drop)
        return
    if {name, "quarantine", descriptions.TABLE} & unsound or "tracks" not in sound:
        return
    if name not in sound:
        yield finding(name, count=1, what="the version is known but has no table", run=_index_command(spec))
        return
    vectors = lake.table(name).schema.field("vector").type
    if not pa.types.is_fixed_size_list(vectors) or vectors.list_size != spec.head.dim:
        what = f"its vectors are {vectors}, those of the version {spec.head.dim} wide"
        run = f"remove {lake.table_uri(name)} and run: {_index_command(spec)}"
        yield finding(name, count=1, what=what, run=run)
        return
    yield from check_version(lake, spec, sound, settings, advance)


def _index_command(spec: EncoderSpec) -> str:
    windows = spec.backbone.windows.limit
    return f"tonelake --encoder {spec.folder_or_name} index SOURCE{f' --max-windows {windows}' if windows else ''}"


def _check_owners(lake: Lake, sound: set[str]) -> Iterator[Finding]:
    """Check that every table of vectors belongs to a version in `encoders`."""
    specs = [version.spec for version in list_encoder_versions(lake)] if "encoders" in sound else []
    tables = (embeddings_table, features_table, windows_table, map_table)
    known = {table(spec) for spec in specs for table in tables}
    for name in sorted(sound - known):
        if name.split("__")[0] in ("embeddings", "features", "windows", "map"):
            what = "no version in `encoders` has this table: nobody can read it"
            run = f"tonelake index SOURCE with its encoder, or remove {lake.table_uri(name)}"
            yield Finding("version", lake.uri, name, lake.table(name).count_rows(), what, run)


def _check_sources(lake: Lake, sound: set[str]) -> Iterator[Finding]:
    """Check that the tracks that search finds are of sources that the lake remembers.

    A repair of `tracks` may bring back those of a source that was removed. Otherwise the row of the source may be
    lost, by a repair or an older copy of `sources`: then a person decides.
    """
    if not {"tracks", sources.TABLE} <= sound:
        return
    known = {row.source for row in sources.registered_sources(lake)}
    for source, number in sorted(count_active_tracks(lake).items()):
        if source not in known:
            what = f"tracks of {source}, which is no source any more"
            finding = partial(Finding, "sources", lake.uri, "tracks", number, what)
            if damage.was_repaired(lake, "tracks") and not damage.was_repaired(lake, sources.TABLE):
                yield finding(run=REPAIR, sources=(source,))
            else:
                yield finding(run=f"tonelake sources add {source}, or sources remove {source} after that")


def _check_live_release(lake: Lake, sound: set[str]) -> Iterator[Finding]:
    """Check that a tag protects the snapshot of the live release from cleanup."""
    live = releases.live_release(lake) if releases.TABLE in sound else None
    if live and live.snapshot.table in sound and not releases.is_tagged(lake, live):
        what = f"no tag keeps the files of {live.title}, which is live"
        yield Finding("release", lake.uri, releases.TABLE, 1, what, "tonelake refresh")


def _check_writers(lake: Lake, sound: set[str]) -> Iterator[Finding]:
    """Check that leases and runs are of living processes, and that none left garbage."""
    holders = unreleased_holders(lake)
    expired = expired_holders(lake, holders)
    for name, holder in expired.items():
        what = f"held by run {holder.run_id}, whose process {holder.pid} on {holder.host} is gone"
        yield Finding("lease", lake.uri, name, 1, what, MAINTAIN)
    living = {holder.run_id for name, holder in holders.items() if name not in expired}
    unfinished = takedowns.read_blocklist(lake).unfinished_run if takedowns.TABLE in sound else None
    if unfinished and unfinished not in living:
        what = f"run {unfinished} is not finished"
        yield Finding("takedown", lake.uri, takedowns.TABLE, 1, what, takedowns.FINISH)
    if "runs" in sound and (stale := stale_runs(lake, living)):
        what = f"marked as running, but its process is gone: {', '.join(stale[:3])}"
        yield Finding("run", lake.uri, "runs", len(stale), what, MAINTAIN)
    if living:
        return  # files that a writer has not committed yet are not garbage
    for name, garbage in cleanup.find_garbage(lake):
        if name in sound or not name:
            yield Finding("orphan", lake.uri, name, garbage.files, str(garbage), MAINTAIN)


def _check_takedowns(lake: Lake, sound: set[str]) -> Iterator[Finding]:
    """Check that no table has a track that was taken down.

    A writer that stood still, lost its lease to the takedown and then woke up may have written one last commit.
    """
    blocked = takedowns.read_blocklist(lake) if takedowns.TABLE in sound else None
    if blocked is None or blocked.unfinished_run or not blocked.tracks:
        return
    for name in sorted(sound - takedowns.KEPT_TABLES):
        table = lake.table(name)
        if "track_id" in table.schema.names:
            rows = select_in(table, "track_id", sorted(blocked.tracks), ["track_id"])["track_id"]
            if len(rows):
                what = f"rows of tracks that were taken down, such as {rows[0]}"
                run = f"{takedowns.FINISH} {rows[0]}"
                yield Finding("takedown", lake.uri, name, len(rows), what, run)


def _check_predictions(lake: Lake, sound: set[str]) -> Iterator[Finding]:
    """Check that every evaluation has the file of the predictions that its figures come from."""
    if evaluations.TABLE not in sound:
        return
    existing = evaluations.prediction_files(lake)
    missing = sorted(name for name in evaluations.evaluation_ids(lake) if name not in existing)
    if missing:
        drop = tuple(in_clauses("evaluation_id", missing))
        what = f"the item files of evaluations are gone, such as {missing[0]}"
        run = f"{REPAIR}, then tonelake evaluate BENCHMARK"
        yield Finding("items", lake.uri, evaluations.TABLE, len(missing), what, run, drop)
