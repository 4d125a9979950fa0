"""Care of a lake and of those beside it: few fragments, whole indexes, no old versions, nothing left lying about."""

from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

from flows.ingest.index import Step
from flows.operations.doctor import examine
from lake.catalogue.runs import RunRecord, new_run_id
from lake.embeddings.indexes import compact, to_compact, update_indexes, wanted_indexes
from lake.maintenance import cleanup as tidy
from lake.maintenance.damage import damaged, may_mend, mend
from lake.releases import releases
from lake.releases.releases import Say
from lake.storage.lake import Lake
from lake.storage.lease import SWEEP, Lease, dead, unreleased
from lake.takedowns.takedowns import require_finished
from schemas.errors import UserError
from schemas.maintenance import Care, Finding
from schemas.settings import Settings


@dataclass(frozen=True, slots=True)
class MaintainRequest:
    """Versions older than `retention_days` go; with `mend` also the rows that `doctor` finds wrong."""

    retention_days: float
    dry_run: bool = False
    mend: bool = False


def maintain(request: MaintainRequest, settings: Settings, say: Say, step: Step = lambda do: do) -> list[Care]:
    """What was done, or with `dry_run` would be, a record a table; records without a table are of the whole lake.

    Every step is a commit or a removal of what no version names: killed anywhere, the lake is whole.
    """
    lake = Lake.at(settings.lake, settings.s3)
    lake.required_names()
    if request.dry_run:
        return [care for one in tidy.lakes(lake) for care in _planned(one, request)]
    run_id = new_run_id()
    with ExitStack() as held:
        held.enter_context(Lease(lake, tidy.MAINTAIN, run_id, say))
        works = [_Work(one, run_id, request, settings, say) for one in tidy.lakes(lake)]
        # The book of runs may be one of them.
        restored = [care for work in works if request.mend for care in step(work.restore)()]
        require_finished(lake)
        record = held.enter_context(RunRecord(lake, run_id, "maintain", None, asdict(request)))
        done = restored + step(_retired)(lake, settings, run_id, say)
        for work in works:
            done.append(step(work.sweep)())
            done += [step(work.tend)(name) for name in sorted(work.lake.names()) if tidy.is_table(work.lake, name)]
        record.done(_counts(done))
    return done


def maintained_markdown(done: list[Care]) -> str:
    """What was done, for Prefect's page."""
    rows = [care.row() for care in done]
    lines = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0])] if rows else []
    return "\n".join(f"| {line} |" for line in [*lines, *(" | ".join(map(str, row.values())) for row in rows)])


def _counts(done: list[Care]) -> dict[str, Any]:
    sums = {name: sum(getattr(care, name) for care in done) for name in ("bytes_before", "bytes_after")}
    return sums | {"tables": [care.row() for care in done]}


@dataclass(slots=True)
class _Work:
    """On one lake; `refused` remembers who would not give a lease, so that each is waited for once."""

    lake: Lake
    run_id: str
    request: MaintainRequest
    settings: Settings
    say: Say
    refused: dict[str, str] = field(default_factory=dict)

    def restore(self) -> list[Care]:
        """Of damaged tables the versions that cannot be read are put aside."""
        lake = self.lake
        if not any(may_mend(name, left) for name, left in damaged(lake)):
            return []
        with ExitStack() as held:
            if refusal := self._refusal(held, [SWEEP, *tidy.writers(lake)]):
                return [Care(lake.uri, "", (), 0, 0, refusal)]
            found = damaged(lake)  # again: while a lease was waited for, a person may have put a file back
            return [
                Care(lake.uri, name, (mend(lake, name, left),), 0, 0) for name, left in found if may_mend(name, left)
            ]

    def tend(self, name: str) -> Care:
        """One table, under the leases of those who write it."""
        lake, before = self.lake, tidy.size(self.lake, name)
        with ExitStack() as held:
            if refusal := self._refusal(held, tidy.guards(lake, name)):
                return Care(lake.uri, name, (), before, before, refusal)
            self.say(f"{name}: {before / 1e6:,.1f} MB ...")
            try:
                done = [told for work in (_compacted, _indexed, self._dropped) for told in work(lake, name)]
            except OSError as error:
                if "conflict" not in str(error):
                    raise
                return Care(lake.uri, name, (), before, before, "another run wrote it meanwhile; run this again")
        return Care(lake.uri, name, tuple(done), before, tidy.size(lake, name))

    def sweep(self) -> Care:
        """What needs that no writer is at work: a sweep holds the leases of all, and new ones wait for its end."""
        lake = self.lake
        with ExitStack() as held:
            if refusal := self._refusal(held, [SWEEP, *tidy.writers(lake)]):
                return Care(lake.uri, "", (), 0, 0, refusal)
            removed, stale = tidy.sweep(lake), tidy.stale_runs(lake, {self.run_id})
            tidy.fail(lake, stale)
            done = [f"removed {waste}{f' of {name}' if name else ''}" for name, waste in removed]
            done += [f"marked {len(stale):,} runs as failed"] if stale else []
            done += _mended(lake, self.settings) if self.request.mend else []
        return Care(lake.uri, "", tuple(done), sum(waste.size for _, waste in removed), 0)

    def _refusal(self, held: ExitStack, names: list[str]) -> str:
        """Takes the leases; else who holds one of them."""
        for name in names:
            if name not in self.refused:
                try:
                    held.enter_context(Lease(self.lake, name, self.run_id, self.say))
                    continue
                except UserError as holder:
                    self.refused[name] = str(holder)
            return self.refused[name]
        return ""

    def _dropped(self, lake: Lake, name: str) -> list[str]:
        old = tidy.drop_old_versions(lake.table(name), self.request.retention_days)
        return [f"dropped {old}"] if old.files else []


def _retired(lake: Lake, settings: Settings, run_id: str, say: Say) -> list[Care]:
    """Gives up the files of releases that are no longer kept; the cleanup of their tables removes them."""
    with Lease(lake, releases.TABLE, run_id, say):
        numbers = releases.retire(lake, settings.kept_releases)
    if not numbers:
        return []
    told = f"gave up the files of {len(numbers)} releases, up to {max(numbers)}"
    return [Care(lake.uri, releases.TABLE, (told,), 0, 0)]


def _compacted(lake: Lake, name: str) -> list[str]:
    table = lake.table(name)
    replaced = compact(table)
    return [f"compacted {replaced:,} fragments, {len(table.get_fragments()):,} there are"] if replaced else []


def _indexed(lake: Lake, name: str) -> list[str]:
    return update_indexes(lake.table(name), name, merge=True)


def _mended(lake: Lake, settings: Settings) -> list[str]:
    """Drops the rows that break an invariant: their tracks are pending then, and the next index embeds them."""
    done: list[str] = []
    while dropped := [told for finding in examine(lake, settings) if (told := _drop(lake, finding))]:
        done += dropped  # a row of features that is dropped leaves an embedding without: again
    return done


def _drop(lake: Lake, finding: Finding) -> str:
    rows = sum(lake.table(finding.table).delete(where)["num_deleted_rows"] for where in finding.drop)
    return f"dropped {rows:,} rows of {finding.table}: {finding.what}" if rows else ""


def _planned(lake: Lake, request: MaintainRequest) -> list[Care]:
    """What `maintain` would do, from looking alone."""
    held = unreleased(lake)
    gone = dead(lake, held)
    living = {holder.run_id for name, holder in held.items() if name not in gone}
    wasted = [] if living else tidy.wasted(lake)
    would = [f"would remove {waste}{f' of {name}' if name else ''}" for name, waste in wasted]
    stale = tidy.stale_runs(lake, living)
    would += [f"would mark {len(stale):,} runs as failed"] if stale and not living else []
    refusal = f"at work: {', '.join(sorted(living))}" if living else ""
    planned = [Care(lake.uri, "", tuple(would), sum(waste.size for _, waste in wasted), 0, refusal)]
    for name in sorted(name for name in lake.names() if tidy.is_table(lake, name)):
        table, size = lake.table(name), tidy.size(lake, name)
        would = [f"would compact {count:,} fragments"] if (count := to_compact(table)) else []
        would += [f"would build the index of {column}" for column in wanted_indexes(table, name, merge=True)]
        old = tidy.old_versions(table, request.retention_days)
        would += [f"would drop {old}"] if old.files else []
        planned.append(Care(lake.uri, name, tuple(would), size, size - old.size))
    return planned
