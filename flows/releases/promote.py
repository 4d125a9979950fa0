"""Moves `live`: a candidate through the gate, or an earlier release published again."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from flows.releases.gate.limits import Limits
from flows.releases.gate.snapshot import Version
from lake.catalogue.encoders import choose, versions
from lake.catalogue.runs import RunRecord, new_run_id
from lake.maintenance.cleanup import PROMOTE
from lake.maintenance.version_invariants import identity
from lake.releases.releases import (
    as_released,
    before_live,
    coverage_check,
    draft,
    is_there,
    live,
    publish,
    release,
    releases,
    snapshot,
)
from lake.storage.lake import Lake
from lake.storage.lease import Lease
from lake.takedowns.takedowns import require_finished
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.releases import Check, Release
from schemas.settings import Settings
from workers.encoders.registry import encoder_entry

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PromoteRequest:
    """`version` is an embedding_version, an encoder's name or a trained one's folder; `reason` forces."""

    version: str
    gate: str | None = None
    interactions: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """What the gate said, and the release where it was published."""

    candidate: EncoderSpec
    checks: tuple[Check, ...]
    before: Release | None
    published: Release | None

    @property
    def title(self) -> str:
        """Who was held against whom."""
        against = self.before.title if self.before else "nothing"
        return f"{self.candidate.name} {self.candidate.embedding_version} against {against}"

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if check.passed is False]


def promote(request: PromoteRequest, settings: Settings, say: Any = print) -> Promotion:
    """Judges a version against what is live; publishes it where no check fails, or where that is forced.

    Where another release was published meanwhile, nothing is and UserError says so.
    """
    limits, played = Limits.read(request.gate), _played(request)
    lake = Lake.at(settings.lake, settings.s3)
    require_finished(lake)
    spec = _candidate(lake, request.version)
    run_id = new_run_id()
    with Lease(lake, PROMOTE, run_id, say):  # from before the snapshot: until it is tagged, this alone keeps its files
        before, taken = live(lake), snapshot(lake, spec)
        if before and before.snapshot == taken:
            raise UserError(f"{before.title} is that already, and live; `tonelake index` publishes what is new in it")
        new = Version.of(lake, taken, spec)
        compared = before is not None and is_there(lake, before.snapshot)  # what is gone must not stand in the way
        old = Version.of(lake, before.snapshot, as_released(lake, before)[1]) if compared else None
        with RunRecord(lake, run_id, "promote", spec, asdict(request)) as record:
            checks = _checks(lake, old, new, played, limits)
            passed = all(check.passed is not False for check in checks)
            published = None
            if passed or request.reason:
                reason = None if passed else request.reason
                published = publish(lake, draft(before, taken, run_id, "promote", checks, reason), say)
            record.done({"published": published and published.number, "gate": [asdict(check) for check in checks]})
    return Promotion(spec, tuple(checks), before, published)


def rollback(number: int | None, settings: Settings, say: Any = print) -> Release:
    """Publishes an earlier release again: that of the number, else the one before what is live now.

    Rolled back twice, the lake is two releases back: what was rolled back from is not returned to unless it is named.
    """
    lake = Lake.at(settings.lake, settings.s3)
    require_finished(lake)
    before = live(lake)
    if before is None:
        raise UserError(f"nothing is released in {lake.uri}: there is nothing to go back to")
    wanted = release(lake, number) if number else before_live(releases(lake))
    if wanted is None:
        raise UserError(f"no release is earlier than {before.title}; `tonelake rollback NUMBER` takes a later one")
    if wanted.snapshot == before.snapshot:
        raise UserError(f"{wanted.title} is what is live already; `tonelake releases` lists the others")
    run_id, spec, asked = new_run_id(), as_released(lake, wanted)[1], {"release": wanted.number}
    with Lease(lake, PROMOTE, run_id, say), RunRecord(lake, run_id, "rollback", spec, asked) as record:
        again = wanted.again or wanted.number
        drafted = draft(before, wanted.snapshot, run_id, "rollback", wanted.gate, again=again)
        published = publish(lake, drafted, say)
        record.done({"published": published.number, "again": again})
    return published


def _candidate(lake: Lake, version: str) -> EncoderSpec:
    """The version that is named by its hash, its encoder or its folder."""
    if version in {held.embedding_version for held in versions(lake)}:
        return choose(lake, "", version).spec
    if "/" in version or Path(version).is_dir():
        return choose(lake, "", encoder_entry(version).spec.embedding_version).spec
    lake.required_names()
    named = [held.embedding_version for held in versions(lake) if held.name == version]
    if len(named) > 1:
        raise UserError(f"{lake.uri} holds several versions of {version}: name one of {', '.join(named)}")
    return choose(lake, version, None).spec


def _played(request: PromoteRequest) -> pa.Table | None:
    """Read before all else: a gate takes minutes, a wrong file is told at once."""
    from lake.sources.interactions import read_interactions

    return None if request.interactions is None else read_interactions(request.interactions)


def _checks(lake: Lake, old: Version | None, new: Version, played: pa.Table | None, limits: Limits) -> list[Check]:
    from flows.releases.gate.benchmarks import benchmark_checks
    from flows.releases.gate.catalogue import catalogue_checks
    from flows.releases.gate.interactions import recommendation_checks

    covered = coverage_check(lake, old and old.snapshot, new.snapshot, limits("coverage", "least"))
    return [
        covered,
        *_identities(old, new),
        *benchmark_checks(lake, old, new, limits),
        *catalogue_checks(old, new, limits),
        *recommendation_checks(played, old, new, limits),
    ]


def _identities(old: Version | None, new: Version) -> list[Check]:
    """expected = embedded + quarantined + pending, each counted by itself; what is live is only told of."""
    checks = []
    for name, version in (("candidate", new), ("live", old)):
        if version:
            expected, embedded, quarantined, pending = identity(version.lake, version.spec)
            holds = expected == embedded + quarantined + pending
            told = (
                f"{expected:,} expected {'=' if holds else 'but'} {embedded:,} embedded + {quarantined:,} quarantined "
                f"+ {pending:,} pending{'' if holds else '; `tonelake doctor` says what to run'}"
            )
            passed = holds if holds or version is new else None
            checks.append(Check(f"identity of {name}", passed, told, embedded / max(1, expected)))
    return checks
