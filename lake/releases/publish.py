"""Publication of releases: drafts, the coverage check, and publishing under a lease."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from lake.catalogue.encoders import list_encoder_versions
from lake.embeddings.stale import find_lost
from lake.releases.releases import (
    TABLE,
    is_readable,
    is_tagged,
    list_releases,
    live_release,
    open_snapshot,
    snapshot_of,
)
from lake.storage.arrow import index_in, is_in, same_version
from lake.storage.lake import Lake
from lake.storage.lease import Lease, LeaseName
from schemas import clock
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.log import Log
from schemas.releases import RELEASES, Check, Release, Snapshot
from schemas.tables import embeddings_table

MIN_COVERAGE = 0.995  # of the live release's tracks, to publish the same version again


def draft(
    after: Release | None,
    snapshot: Snapshot,
    run_id: str,
    command: str,
    gate: Sequence[Check] = (),
    reason: str | None = None,
    republishes: int | None = None,
) -> Release:
    """Return the release that follows `after`, not yet published. With a `reason` it is a forced one."""
    number = after.number + 1 if after else 1
    now = clock.now()
    return Release(number, snapshot, run_id, command, now, tuple(gate), reason is not None, reason, republishes)


def publish(lake: Lake, release: Release, log: Log) -> Release:
    """Make a drafted release live, at once for every reader.

    Raises UserError if another release was published since it was drafted.
    """
    with Lease(lake, LeaseName.RELEASES, release.run_id, log) as lease:
        return _publish(lake, release, lease)


def publish_if_due(lake: Lake, written: Mapping[str, EncoderSpec], command: str, log: Log) -> Release | None:
    """Publish a new release of the live version, if this command wrote that version.

    `written` maps run_id to spec. In a lake without releases the first version of `written` is published, unless the
    lake holds versions that are not in `written`. Nothing is published if the table has not changed since the live
    release, or if less than 99.5 % of the live release's active tracks would still be covered; tracks whose loss a
    person accepted do not count.
    """
    if _find_due(lake, written, live_release(lake)) is None:
        return None
    with Lease(lake, LeaseName.RELEASES, next(iter(written)), log) as lease:
        live = live_release(lake)
        due = _find_due(lake, written, live)
        if due is None:
            return None
        run_id, snapshot = due
        readable = live.snapshot if live and is_readable(lake, live.snapshot) else None
        check = check_coverage(lake, readable, snapshot, MIN_COVERAGE, written[run_id])
        if not check.passed:
            log(
                f"not published: {check.reason}; readers stay with release {live.number if live else 0}. "
                f"`tonelake promote {snapshot.embedding_version} --force --reason TEXT` publishes it all the same"
            )
            return None
        release = _publish(lake, draft(live, snapshot, run_id, command, [check]), lease)
    log(f"{release.title} is live: {snapshot.tracks:,} tracks")
    return release


def check_coverage(
    lake: Lake, before: Snapshot | None, after: Snapshot, minimum: float, spec: EncoderSpec | None = None
) -> Check:
    """Check that `after` covers at least the fraction `minimum` of the tracks of `before`.

    Only tracks that are active in the registry count. A track is covered if `after` has a vector of its current file,
    or of the same file as `before`. If both are of one version, `spec`, a lost file whose row is gone does not count:
    only a person removes such a row, by `tonelake refresh --accept-loss`.
    """
    if before is None:
        return Check("coverage", True, f"nothing is live to compare with: {after.tracks:,} tracks", 1.0, limit=minimum)
    columns = ["track_id", "source_version"]
    active = lake.table("tracks").to_table(columns=columns, filter="state = 'active'")
    old, new = (
        open_snapshot(lake, snapshot).table(snapshot.table).to_table(columns=columns) for snapshot in (before, after)
    )
    old = old.filter(is_in(old["track_id"], active["track_id"]))
    accepted = 0
    if spec is not None:
        lost = find_lost(lake, spec, old["track_id"].filter(pc.invert(is_in(old["track_id"], new["track_id"]))))
        old, accepted = old.filter(pc.invert(is_in(old["track_id"], lost["track_id"]))), len(lost)
    current = active.take(index_in(old["track_id"], active["track_id"]))
    covered = pc.sum(pc.or_(same_version(current, new), same_version(old, new))).as_py() or 0
    fraction = covered / len(old) if len(old) else 1.0
    reason = f"{covered:,} of the {len(old):,} tracks of live; {after.tracks:,} in all"
    if accepted:
        reason += f"; {accepted:,} more are lost, which was accepted"
    return Check("coverage", fraction >= minimum, reason, fraction, limit=minimum)


def _find_due(lake: Lake, written: Mapping[str, EncoderSpec], live: Release | None) -> tuple[str, Snapshot] | None:
    """Return the run and the snapshot to publish, or None if nothing is due."""
    candidates = {spec.embedding_version: (run_id, spec) for run_id, spec in written.items()}
    if live is not None:
        candidate = candidates.get(live.snapshot.embedding_version)
    elif {version.embedding_version for version in list_encoder_versions(lake)} <= candidates.keys():
        candidate = next(iter(candidates.values()))
    else:
        candidate = None
    if candidate is None:
        return None
    run_id, spec = candidate
    table = lake.table(embeddings_table(spec))
    if live is not None and is_tagged(lake, live) and table.version == live.snapshot.lance_version:
        return None  # nothing has changed
    snapshot = snapshot_of(table, spec)
    if live is None and not snapshot.tracks:
        return None  # a first release needs a track; a later one may be empty, after all tracks vanished
    return run_id, snapshot


def _publish(lake: Lake, release: Release, lease: Lease) -> Release:
    """Write the tag first and the row last: the row completes the release."""
    newest = live_release(lake)
    if newest and newest.number >= release.number:
        raise UserError(f"{newest.title} was published meanwhile by run {newest.run_id}: run the same command again")
    tags = lake.table(release.snapshot.table).tags
    try:
        tags.create(release.tag, release.snapshot.lance_version)
    except ValueError:  # a publisher was killed between its tag and its row
        tags.update(release.tag, release.snapshot.lance_version)
    try:
        table = lake.open_or_create(TABLE, RELEASES)
        lease.check()
        merge = table.merge_insert("number").when_not_matched_insert_all()
        statistics = merge.execute(pa.Table.from_pylist([release.row()], schema=RELEASES))
        if not statistics["num_inserted_rows"]:
            raise UserError(f"release {release.number} was published meanwhile: run the same command again")
    except Exception:
        _return_tag(lake, release)
        raise
    return release


def _return_tag(lake: Lake, release: Release) -> None:
    """Point the tag back to the release that another run has published meanwhile."""
    for other in list_releases(lake):
        if other.number == release.number and other.run_id != release.run_id:
            lake.table(other.snapshot.table).tags.update(other.tag, other.snapshot.lance_version)
