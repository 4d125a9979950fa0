"""Releases: which snapshot of which version readers see. `live` is the last one published.

A release is a row; a Lance tag `release-N` on its table keeps the snapshot's files through every cleanup.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import lance
import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.encoders import versions
from lake.maintenance.cleanup import is_table
from lake.storage.arrow import alike, is_among, place_in
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.releases import RELEASES, Check, Release, Snapshot
from schemas.tables import embeddings_table

TABLE = "releases"
LEAST_COVERAGE = 0.995  # of live's tracks, for a refresh of the version that is live

Say = Callable[[str], None]


def releases(lake: Lake) -> list[Release]:
    """Every release, the oldest first."""
    if TABLE not in lake.names():
        return []
    return [Release.of(row) for row in lake.table(TABLE).to_table().sort_by("number").to_pylist()]


def live(lake: Lake) -> Release | None:
    """The last one published; None in a lake without releases."""
    return next(reversed(releases(lake)), None)


def release(lake: Lake, number: int) -> Release:
    """The release of that number; UserError says which there are."""
    there = {one.number: one for one in releases(lake)}
    if number not in there:
        known = f"1 to {max(there)}" if there else "none yet; `tonelake index` or `tonelake promote` publishes one"
        raise UserError(f"there is no release {number} in {lake.uri}; there are: {known}")
    return there[number]


def before_live(there: Sequence[Release]) -> Release | None:
    """The release before what is live, of all in order: as undo goes back, past what was rolled back from."""
    line: list[int] = []
    for one in there:
        if one.again in line:
            del line[line.index(one.again) + 1 :]
        else:
            line.append(one.again or one.number)
    return there[line[-2] - 1] if len(line) > 1 else None


def as_released(lake: Lake, one: Release) -> tuple[Lake, EncoderSpec]:
    """The lake with that release's table as it was, and the spec of its version; UserError where it is gone."""
    spec = next(held.spec for held in versions(lake) if held.embedding_version == one.snapshot.embedding_version)
    if not is_there(lake, one.snapshot):
        raise UserError(f"the files of {one.title} were given up; `tonelake releases` lists the others")
    return at(lake, one.snapshot), spec


def is_there(lake: Lake, taken: Snapshot) -> bool:
    """Whether a snapshot can be read still. A table that was removed and made anew counts its versions from one."""
    try:
        return at(lake, taken).table(taken.table).count_rows() == taken.tracks
    except ValueError as error:
        if "not found" not in str(error):
            raise
        return False


def is_kept(lake: Lake, one: Release) -> bool:
    """Whether its tag keeps its snapshot through every cleanup; its table must be there."""
    tags = lake.table(one.snapshot.table).tags.list()
    return tags.get(one.tag, {}).get("version") == one.snapshot.lance_version


def at(lake: Lake, snapshot: Snapshot) -> Lake:
    """The lake with the snapshot's table as it was."""
    return lake.pinned(snapshot.table, snapshot.lance_version)


def snapshot(lake: Lake, spec: EncoderSpec) -> Snapshot:
    """A version's table as it is now; UserError where it holds nothing."""
    name = embeddings_table(spec)
    table = lake.table(name) if name in lake.names() else None
    if table is None or not table.count_rows():
        raise UserError(f"{lake.uri} holds no vectors of {spec.name} {spec.embedding_version}: nothing to publish")
    return _snapshot(table, spec)


def draft(
    after: Release | None,
    taken: Snapshot,
    run_id: str,
    command: str,
    gate: Sequence[Check] = (),
    reason: str | None = None,
    again: int | None = None,
) -> Release:
    """The release that follows `after`; with a `reason` it is forced."""
    number = after.number + 1 if after else 1
    now = datetime.now(UTC)
    return Release(number, taken, run_id, command, now, tuple(gate), reason is not None, reason, again)


def publish(lake: Lake, drafted: Release, say: Say) -> Release:
    """Makes it live at once for every reader; UserError where another was published since it was drafted."""
    with Lease(lake, TABLE, drafted.run_id, say) as lease:
        return _publish(lake, drafted, lease)


def publish_again(lake: Lake, written: Mapping[str, EncoderSpec], command: str, say: Say) -> Release | None:
    """At the end of a command that wrote versions, each by its run: readers of `live` see it, if one of them is live.

    The first release of a lake is that of the first of these, unless the lake holds other versions too. Nothing is
    published where nothing has changed, or where less than 99.5 % of live's active tracks would still be covered.
    """
    if _due(lake, written, live(lake)) is None:
        return None
    with Lease(lake, TABLE, next(iter(written)), say) as lease:
        now_live = live(lake)
        due = _due(lake, written, now_live)
        if due is None:
            return None
        run_id, taken = due
        there = now_live if now_live and is_there(lake, now_live.snapshot) else None
        check = coverage_check(lake, there and there.snapshot, taken, LEAST_COVERAGE)
        if not check.passed:
            say(
                f"not published: {check.reason}; readers stay with release {now_live.number if now_live else 0}. "
                f"`tonelake promote {taken.embedding_version} --force --reason TEXT` publishes it all the same"
            )
            return None
        published = _publish(lake, draft(now_live, taken, run_id, command, [check]), lease)
    say(f"{published.title} is live: {taken.tracks:,} tracks")
    return published


def coverage_check(lake: Lake, before: Snapshot | None, after: Snapshot, least: float) -> Check:
    """The share of a release's tracks, of those the registry still holds active, that another snapshot covers too.

    A track counts where its vector is of the file as it is now, or of the same file as the release's.
    """
    if before is None:
        return Check("coverage", True, f"nothing is live to compare with: {after.tracks:,} tracks", 1.0, limit=least)
    files = ["track_id", "source_version"]
    active = lake.table("tracks").to_table(columns=files, filter="state = 'active'")
    was, now = (at(lake, one).table(one.table).to_table(columns=files) for one in (before, after))
    was = was.filter(is_among(was["track_id"], active["track_id"]))
    newer = active.take(place_in(was["track_id"], active["track_id"]))
    kept = pc.sum(pc.or_(alike(newer, now), alike(was, now))).as_py() or 0
    share = kept / len(was) if len(was) else 1.0
    reason = f"{kept:,} of the {len(was):,} tracks of live; {after.tracks:,} in all"
    return Check("coverage", share >= least, reason, share, limit=least)


def succeed(lake: Lake, name: str, before: int, table: lance.LanceDataset) -> list[Release]:
    """Releases of a table's version are from now on of the table as it is given; gives them back as they were."""
    found = [one for one in releases(lake) if (one.snapshot.table, one.snapshot.lance_version) == (name, before)]
    for one in found:
        if one.tag in table.tags.list():
            table.tags.update(one.tag, table.version)
    _now_of(lake, found, table)
    return found


def follow_tags(lake: Lake) -> None:
    """Ends what was killed between a tag and its row. Only for who holds every lease.

    A release that `succeed` had given another version gets it; a tag of a release that was never published goes.
    """
    rows = {(one.snapshot.table, one.tag): one for one in releases(lake)}
    for name in sorted(name for name in lake.names() if name.startswith("embeddings__") and is_table(lake, name)):
        tags = lake.table(name).tags
        for tag, told in tags.list().items():
            one = rows.get((name, tag))
            if one is None and tag.startswith("release-"):
                tags.delete(tag)
            elif one and one.snapshot.lance_version != told["version"]:
                _now_of(lake, [one], lake.pinned(name, told["version"]).table(name))


def _now_of(lake: Lake, found: list[Release], table: lance.LanceDataset) -> None:
    taken = {"lance_version": table.version, "tracks": table.count_rows()}
    if found:
        lake.upsert(TABLE, RELEASES, pa.Table.from_pylist([one.row() | taken for one in found], schema=RELEASES))


def retire(lake: Lake, keep: int) -> list[int]:
    """Gives up the files of all but the newest `keep` releases and the newest of each version: their numbers.

    The next cleanup of Lance versions removes what no other release needs; the rows stay, and readers are told.
    """
    there = releases(lake)
    kept = {one.number for one in there[-keep:]} | {*{one.snapshot.table: one.number for one in there}.values()}
    retired = []
    for name in sorted({one.snapshot.table for one in there}):
        if not is_table(lake, name):
            continue
        tags = lake.table(name).tags
        known = tags.list()
        for one in there:
            if one.snapshot.table == name and one.number not in kept and one.tag in known:
                tags.delete(one.tag)
                retired.append(one.number)
    return retired


def _due(lake: Lake, written: Mapping[str, EncoderSpec], now_live: Release | None) -> tuple[str, Snapshot] | None:
    """What there is to publish of the versions written, and the run that wrote it."""
    ours = {spec.embedding_version: (run_id, spec) for run_id, spec in written.items()}
    if now_live is None:
        others = {version.embedding_version for version in versions(lake)} - ours.keys()
        found = None if others else next(iter(ours.values()))
    else:
        found = ours.get(now_live.snapshot.embedding_version)
    if found is None:
        return None
    run_id, spec = found
    table = lake.table(embeddings_table(spec))
    same = now_live is not None and is_kept(lake, now_live) and table.version == now_live.snapshot.lance_version
    taken = _snapshot(table, spec)
    return None if same or not (now_live or taken.tracks) else (run_id, taken)  # where all vanished, none is found


def _snapshot(table: lance.LanceDataset, spec: EncoderSpec) -> Snapshot:
    return Snapshot(spec.name, spec.embedding_version, embeddings_table(spec), table.version, table.count_rows())


def _publish(lake: Lake, drafted: Release, lease: Lease) -> Release:
    """The tag first, the row last: it completes the release."""
    newest = live(lake)
    if newest and newest.number >= drafted.number:
        raise UserError(f"{newest.title} was published meanwhile by run {newest.run_id}: run the same command again")
    tags = lake.table(drafted.snapshot.table).tags
    try:
        tags.create(drafted.tag, drafted.snapshot.lance_version)
    except ValueError:  # a publisher that was killed before its row
        tags.update(drafted.tag, drafted.snapshot.lance_version)
    table = lake.ensure(TABLE, RELEASES)
    lease.check()
    merge = table.merge_insert("number").when_not_matched_insert_all()
    done = merge.execute(pa.Table.from_pylist([drafted.row()], schema=RELEASES))
    if not done["num_inserted_rows"]:
        raise UserError(f"release {drafted.number} was published meanwhile: run the same command again")
    return drafted
