"""The invariants of a lake, each a function that reads and finds; nothing is written, no table is held whole."""

from collections.abc import Iterator
from functools import partial

import lance
import pyarrow as pa
import pyarrow.compute as pc

from lake.benchmarks import results as evaluations
from lake.catalogue.encoders import EncoderVersion, versions
from lake.embeddings.indexes import VECTOR_INDEX_ROWS, unindexed, wanted_indexes
from lake.maintenance import cleanup as tidy
from lake.maintenance import damage
from lake.maintenance.version_invariants import check_version
from lake.releases import releases
from lake.storage.filters import among_each
from lake.storage.lake import Lake
from lake.storage.lease import dead, unreleased
from lake.takedowns import takedowns
from schemas.encoders import EncoderSpec
from schemas.maintenance import Finding
from schemas.tables import embeddings_table, features_table, windows_table

MAINTAIN = "tonelake maintain"
MEND = "tonelake maintain --mend"
UNINDEXED_SHARE = 0.1

Found = Iterator[Finding | None]  # None: a piece of the work is done


def check_lake(lake: Lake, keep_windows: bool) -> Found:
    """Everything that is wrong with one lake, and a None for each piece of work."""
    broken = yield from _tables(lake)
    sound = lake.names() - broken
    for name in sorted(sound):
        yield from _keys(lake, name)
        yield from _index(lake, name)
    if "encoders" in sound:
        for version in versions(lake):
            yield from _version(lake, version, sound, broken, keep_windows)
    yield from _strangers(lake, sound)
    yield from _live(lake, sound)
    yield from _work(lake, sound)
    yield from _items(lake, sound)


def _tables(lake: Lake) -> Iterator[Finding | None]:
    """Each folder is a table and has the files its version names; returns the names of those that are not sound."""
    broken = set()
    for name in sorted(lake.names()):
        say = partial(Finding, lake=lake.uri, table=name)
        if not tidy.is_table(lake, name):
            broken.add(name)
            if files := tidy.files_of(lake, name):  # some stores keep empty folders
                yield say("table", count=len(files), what="a run was killed while it made it", run=MAINTAIN)
            continue
        if left := damage.left_of(lake, name):
            broken.add(name)
            again = MEND if damage.may_mend(name, left) else _from_backup(lake, name)
            yield say("version", count=len(left.broken), what=str(left), run=again)
            continue
        if missing := _missing_files(lake.table(name)):
            broken.add(name)
            what = f"files of its newest version are gone, such as {missing[0]}"
            yield say("files", count=len(missing), what=what, run=_from_backup(lake, name))
        yield None
    return broken


def _from_backup(lake: Lake, name: str) -> str:
    if name == takedowns.TABLE:
        return "put them back from a backup: without them tracks that were taken down would come back"
    return f"put them back from a backup, or remove {lake.uri_of(name)} and run: tonelake index SOURCE"


def _missing_files(table: lance.LanceDataset) -> list[str]:
    named = set(table.tracked_files(min_version=table.version).read_all()["path"].to_pylist())
    there = set(table.all_files().read_all()["path"].to_pylist())
    return sorted(named - there)


def _keys(lake: Lake, name: str) -> Found:
    """Its key is unique; of rows with one key the last written stays."""
    table = lake.table(name)
    for column in (field.name for field in table.schema if field.metadata):
        keys = table.to_table(columns=[column])[column]
        twice = pc.value_counts(keys)
        twice = twice.filter(pc.greater(twice.field("counts"), 1))
        if not len(twice):
            continue
        count = pc.sum(twice.field("counts")).as_py() - len(twice)
        what = f"{count:,} rows more than it has different {column}, such as {twice.field('values')[0]}"
        yield Finding("keys", lake.uri, name, count, what, MEND, tuple(_second_rows(table, column, twice)))
    yield None


def _second_rows(table: lance.LanceDataset, column: str, twice: pa.StructArray) -> Iterator[str]:
    for chosen in among_each(column, twice.field("values").to_pylist()):
        rows = table.to_table(columns=[column], filter=chosen, with_row_id=True)
        last = dict(zip(rows[column].to_pylist(), rows["_rowid"].to_pylist(), strict=True))
        doomed = set(rows["_rowid"].to_pylist()) - set(last.values())
        yield f"_rowid IN ({', '.join(map(str, sorted(doomed)))})"


def _index(lake: Lake, name: str) -> Found:
    """Large tables have their indexes, and these hold nearly all rows."""
    table = lake.table(name)
    rows, say = table.count_rows(), partial(Finding, "index", lake.uri, name, run=MAINTAIN)
    if rows >= VECTOR_INDEX_ROWS:
        if wanted := wanted_indexes(table, name):
            columns = ", ".join(wanted)
            yield say(count=rows, what=f"no index, or none for a table of {rows:,} rows, of {columns}")
        for index in table.describe_indices():
            if (loose := unindexed(table, index)) > UNINDEXED_SHARE * rows:
                yield say(count=loose, what=f"{loose / rows:.0%} of its rows are not in the index {index.name}")
    yield None


def _version(lake: Lake, version: EncoderVersion, sound: set[str], broken: set[str], keep_windows: bool) -> Found:
    """What `encoders` says of a version agrees with itself and with its tables."""
    spec, name = version.spec, embeddings_table(version.spec)
    say = partial(Finding, "version", lake.uri)
    if version.embedding_version != spec.embedding_version:
        what = f"{version.embedding_version} is written with the spec of {spec.embedding_version}"
        yield say(
            "encoders", count=1, what=what, run=MEND, drop=(f"embedding_version = '{version.embedding_version}'",)
        )
        return
    if name in broken or "tracks" not in sound:
        return
    if name not in sound:
        yield say(name, count=1, what="the version is known but has no table", run=_index_again(spec))
        return
    column = lake.table(name).schema.field("vector").type
    if not pa.types.is_fixed_size_list(column) or column.list_size != spec.head.dim:
        again = f"remove {lake.uri_of(name)} and run: {_index_again(spec)}"
        yield say(
            name, count=1, what=f"its vectors are {column}, those of the version {spec.head.dim} wide", run=again
        )
        return
    yield from check_version(lake, spec, sound, keep_windows)


def _strangers(lake: Lake, sound: set[str]) -> Found:
    """Tables of vectors belong to a version that `encoders` has."""
    specs = [version.spec for version in versions(lake)] if "encoders" in sound else []
    known = {table(spec) for spec in specs for table in (embeddings_table, features_table, windows_table)}
    for name in sorted(sound - known):
        if name.split("__")[0] in ("embeddings", "features", "windows"):
            what = "no version in `encoders` has this table: nobody can read it"
            run = f"tonelake index SOURCE with its encoder, or remove {lake.uri_of(name)}"
            yield Finding("version", lake.uri, name, lake.table(name).count_rows(), what, run)
    yield None


def _live(lake: Lake, sound: set[str]) -> Found:
    """What readers are given is there, and a tag keeps it through every cleanup."""
    one = releases.live(lake) if releases.TABLE in sound else None
    if one and one.snapshot.table in sound and not releases.is_kept(lake, one):
        what = f"no tag keeps the files of {one.title}, which is live"
        yield Finding("release", lake.uri, releases.TABLE, 1, what, "tonelake refresh")
    yield None


def _index_again(spec: EncoderSpec) -> str:
    windows = spec.backbone.windows.limit
    return f"tonelake --encoder {spec.address} index SOURCE{f' --windows {windows}' if windows else ''}"


def _work(lake: Lake, sound: set[str]) -> Found:
    """Leases are held by the living, runs that are running hold one, and nothing lies about when nobody writes."""
    held = unreleased(lake)
    gone = dead(lake, held)
    for name, holder in gone.items():
        what = f"held by run {holder.run_id}, whose process {holder.pid} on {holder.host} is gone"
        yield Finding("lease", lake.uri, name, 1, what, MAINTAIN)
    living = {holder.run_id for name, holder in held.items() if name not in gone}
    if takedowns.TABLE in sound and (left := takedowns.refused(lake).unfinished) and left not in living:
        yield Finding("takedown", lake.uri, takedowns.TABLE, 1, f"run {left} is not finished", "tonelake forget")
    yield None
    if "runs" in sound and (stale := tidy.stale_runs(lake, living)):
        what = f"marked as running, but its process is gone: {', '.join(row['run_id'] for row in stale[:3])}"
        yield Finding("run", lake.uri, "runs", len(stale), what, MAINTAIN)
    yield None
    if not living:  # what a writer has not committed yet is no orphan
        for name, waste in tidy.wasted(lake):
            if name in sound or not name:
                yield Finding("orphan", lake.uri, name, waste.files, str(waste), MAINTAIN)
    yield None


def _items(lake: Lake, sound: set[str]) -> Found:
    """Every evaluation has the items that its figures were computed from."""
    if evaluations.TABLE in sound:
        there = evaluations.item_files(lake)
        lost = sorted(name for name in evaluations.ids(lake) if name not in there)
        if lost:
            drop = tuple(among_each("evaluation_id", lost))
            what = f"the item files of evaluations are gone, such as {lost[0]}"
            again = f"{MEND}, then tonelake evaluate BENCHMARK"
            yield Finding("items", lake.uri, evaluations.TABLE, len(lost), what, again, drop)
    yield None
