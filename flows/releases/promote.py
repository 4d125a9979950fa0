"""`tonelake promote` and `tonelake rollback`: change what is live.

A candidate must pass the gate; a rollback publishes an earlier release again.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from flows.releases.gate.limits import Limits
from flows.releases.gate.snapshot import SnapshotView
from lake.catalogue.encoders import choose_encoder_version, list_encoder_versions
from lake.catalogue.runs import RunRecord, new_run_id
from lake.maintenance.version_invariants import coverage_counts
from lake.releases.publish import check_coverage, draft, publish
from lake.releases.releases import (
    find_release,
    is_readable,
    list_releases,
    live_release,
    open_release,
    release_before_live,
    take_snapshot,
)
from lake.storage.lake import Lake
from lake.storage.lease import Lease, LeaseName
from lake.takedowns.takedowns import require_finished
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.log import Log
from schemas.releases import Check, Release, Snapshot
from schemas.settings import Settings
from workers.encoders.registry import find_by_name


@dataclass(frozen=True, slots=True)
class PromoteRequest:
    """What to promote: `version` is an embedding_version, an encoder's name or a trained encoder's folder.

    `gate` is a file with other limits, `interactions` a file of who played what. A `reason` forces the release.
    """

    version: str
    gate: str | None = None
    interactions: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """The verdict of the gate, and the new release if one was published.

    `before` was live when the gate ran.
    """

    candidate: EncoderSpec
    checks: tuple[Check, ...]
    before: Release | None
    published: Release | None

    @property
    def title(self) -> str:
        """The candidate and what it was compared with."""
        against = self.before.title if self.before else "nothing"
        return f"{self.candidate.name} {self.candidate.embedding_version} against {against}"

    @property
    def failed(self) -> list[Check]:
        """The checks that failed."""
        return [check for check in self.checks if check.passed is False]


def promote(request: PromoteRequest, settings: Settings, log: Log = print) -> Promotion:
    """Compare a version with the live release, and publish it if no check fails.

    With a reason it is published even if a check fails. Raises UserError if the version is live already, or if another
    release was published meanwhile.
    """
    # Read the files first: the gate takes minutes, and a wrong file should be reported at once.
    limits, interactions = Limits.read(request.gate), _read_interactions(request)
    lake = Lake.at(settings.lake, settings.s3)
    require_finished(lake)
    spec = _find_candidate(lake, request.version)
    run_id = new_run_id()
    # The lease is taken before the snapshot: until a tag keeps the snapshot's files, only the lease does.
    with Lease(lake, LeaseName.PROMOTE, run_id, log):
        live, snapshot = live_release(lake), take_snapshot(lake, spec)
        if live and live.snapshot == snapshot:
            raise UserError(f"{live.title} is that already, and live; `tonelake index` publishes what is new in it")
        candidate, current = SnapshotView.open(lake, snapshot, spec), _open_live(lake, live)
        with RunRecord(lake, run_id, "promote", spec, asdict(request)) as record:
            checks = _run_gate(lake, current, candidate, interactions, limits)
            published = None
            if all(check.passed is not False for check in checks):
                published = publish(lake, draft(live, snapshot, run_id, "promote", checks), log)
            elif request.reason:
                published = publish(lake, draft(live, snapshot, run_id, "promote", checks, request.reason), log)
            record.finish({"published": published and published.number, "gate": [asdict(check) for check in checks]})
    return Promotion(spec, tuple(checks), live, published)


def rollback(release: int | None, settings: Settings, log: Log = print) -> Release:
    """Publish an earlier release again.

    `release` is its number; None means the release before the live one. Two rollbacks without a number go two releases
    back. To return to a release that was rolled back from, give its number. Raises UserError if there is no such
    release, or it is live already.
    """
    lake = Lake.at(settings.lake, settings.s3)
    require_finished(lake)
    live = live_release(lake)
    if live is None:
        raise UserError(f"nothing is released in {lake.uri}: there is nothing to go back to")
    earlier = find_release(lake, release) if release else release_before_live(list_releases(lake))
    if earlier is None:
        raise UserError(f"no release is earlier than {live.title}; `tonelake rollback NUMBER` takes a later one")
    if earlier.snapshot == live.snapshot:
        raise UserError(f"{earlier.title} is what is live already; `tonelake releases` lists the others")
    run_id, spec, arguments = new_run_id(), open_release(lake, earlier)[1], {"release": earlier.number}
    with Lease(lake, LeaseName.PROMOTE, run_id, log), RunRecord(lake, run_id, "rollback", spec, arguments) as record:
        original = earlier.republishes or earlier.number
        drafted = draft(live, earlier.snapshot, run_id, "rollback", earlier.gate, republishes=original)
        published = publish(lake, drafted, log)
        record.finish({"published": published.number, "republishes": original})
    return published


def _find_candidate(lake: Lake, version: str) -> EncoderSpec:
    """Return the version named by its hash, its encoder or its encoder's folder."""
    stored = list_encoder_versions(lake)
    if version in {encoder.embedding_version for encoder in stored}:
        return choose_encoder_version(lake, "", version).spec
    if "/" in version or Path(version).is_dir():
        return choose_encoder_version(lake, "", find_by_name(version).spec.embedding_version).spec
    lake.require_table_names()
    same_name = [encoder.embedding_version for encoder in stored if encoder.name == version]
    if len(same_name) > 1:
        raise UserError(f"{lake.uri} holds several versions of {version}: name one of {', '.join(same_name)}")
    return choose_encoder_version(lake, version, None).spec


def _read_interactions(request: PromoteRequest) -> pa.Table | None:
    from lake.sources.interactions import read_interactions

    return None if request.interactions is None else read_interactions(request.interactions)


def _open_live(lake: Lake, live: Release | None) -> SnapshotView | None:
    """Open the live release if there is one and it is readable.

    A damaged one must not block a new release.
    """
    if live is None or not is_readable(lake, live.snapshot):
        return None
    return SnapshotView.open(lake, live.snapshot, open_release(lake, live)[1])


def _run_gate(
    lake: Lake, live: SnapshotView | None, candidate: SnapshotView, interactions: pa.Table | None, limits: Limits
) -> list[Check]:
    from flows.releases.gate.benchmarks import benchmark_checks
    from flows.releases.gate.catalogue import catalogue_checks
    from flows.releases.gate.interactions import recommendation_checks

    live_snapshot: Snapshot | None = live.snapshot if live else None
    return [
        check_coverage(lake, live_snapshot, candidate.snapshot, limits.number("coverage", "least")),
        *_identity_checks(live, candidate),
        *benchmark_checks(lake, live, candidate, limits),
        *catalogue_checks(live, candidate, limits),
        *recommendation_checks(interactions, live, candidate, limits),
    ]


def _identity_checks(live: SnapshotView | None, candidate: SnapshotView) -> list[Check]:
    """Check that expected = embedded + quarantined + pending, each counted by itself.

    The live release is counted too, but its fault never refuses a candidate.
    """
    checks = []
    for name, view in (("candidate", candidate), ("live", live)):
        if view is None:
            continue
        expected, embedded, quarantined, pending = coverage_counts(view.lake, view.spec)
        holds = expected == embedded + quarantined + pending
        reason = (
            f"{expected:,} expected {'=' if holds else 'but'} {embedded:,} embedded + {quarantined:,} quarantined "
            f"+ {pending:,} pending{'' if holds else '; `tonelake doctor` says what to run'}"
        )
        passed = holds if holds or view is candidate else None
        checks.append(Check(f"identity of {name}", passed, reason, embedded / max(1, expected)))
    return checks
