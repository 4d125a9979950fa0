"""`tonelake maintain`: compact and index every table, and remove unused files."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

from flows.console.progress import TaskWrapper, run_directly
from flows.operations.doctor import examine_lake
from flows.operations.upgrade import plan_upgrades, upgrade_lakes
from lake.catalogue.runs import RunRecord, mark_failed, new_run_id, stale_runs
from lake.catalogue.tracks import deactivate_source
from lake.embeddings.indexes import compact, fragments_to_compact, indexes_to_build, update_indexes
from lake.embeddings.stretches import fill_stretches, lacks_stretches
from lake.maintenance import cleanup
from lake.maintenance.damage import find_damaged, may_repair, repair
from lake.releases import releases, retention
from lake.storage.holders import expired_holders, unreleased_holders
from lake.storage.lake import Lake
from lake.storage.lease import Lease, LeaseName
from lake.takedowns.takedowns import require_finished
from schemas.errors import UserError
from schemas.log import Log
from schemas.maintenance import Finding, MaintenanceResult
from schemas.settings import Settings


@dataclass(frozen=True, slots=True)
class MaintainRequest:
    """Drop table versions older than `retention_days`; with `repair` also the rows that `doctor` reports."""

    retention_days: float
    dry_run: bool = False
    repair: bool = False


def maintain(
    request: MaintainRequest, settings: Settings, log: Log, run_task: TaskWrapper = run_directly
) -> list[MaintenanceResult]:
    """Maintain the lake, or with `dry_run` only report what would be done.

    Return a result for each table; results without a table are of a whole lake. Every step is a commit, or a removal
    of files that no version names: the lake is whole after a kill at any point. Raises UserError if there is no lake
    or if another maintenance is at work.
    """
    lake = Lake.at(settings.lake, settings.s3)
    lake.require_table_names()
    if request.dry_run:
        lakes = cleanup.list_lakes(lake)
        return plan_upgrades(lakes) + [result for part in lakes for result in _plan(part, request, settings)]
    run_id = new_run_id()
    with ExitStack() as leases:
        leases.enter_context(Lease(lake, LeaseName.MAINTAIN, run_id, log, for_upgrade=True))
        lakes = cleanup.list_lakes(lake)
        parts = [_LakeMaintenance(part, run_id, request, settings, log) for part in lakes]
        results: list[MaintenanceResult] = []
        if request.repair:
            for part in parts:  # before the table of runs is written: it may be damaged itself
                results += run_task(part.repair_tables)()
        results += run_task(upgrade_lakes)(lakes, run_id, log)
        require_finished(lake)
        record = leases.enter_context(RunRecord(lake, run_id, "maintain", None, asdict(request)))
        results += run_task(_drop_old_releases)(lake, settings, run_id, log)
        for part in parts:
            results += [run_task(part.maintain_table)(name) for name in sorted(part.lake.table_names())]
            # Last: Lance keeps a killed commit's file while a version exists that is as old as the commit.
            results.append(run_task(part.remove_leftovers)())
        record.finish(_count_bytes(results))
    return results


def maintenance_markdown(results: list[MaintenanceResult]) -> str:
    """Return the results as a table for Prefect's page."""
    rows = [result.row() for result in results]
    if not rows:
        return ""
    lines = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0])]
    lines += [" | ".join(map(str, row.values())) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _count_bytes(results: list[MaintenanceResult]) -> dict[str, Any]:
    return {
        "bytes_before": sum(result.bytes_before for result in results),
        "bytes_after": sum(result.bytes_after for result in results),
        "tables": [result.row() for result in results],
    }


@dataclass(slots=True)
class _LakeMaintenance:
    """The maintenance of one lake.

    `refusals` maps a lease to the message of its holder, so that no lease is waited for twice.
    """

    lake: Lake
    run_id: str
    request: MaintainRequest
    settings: Settings
    log: Log
    refusals: dict[str, str] = field(default_factory=dict)

    def repair_tables(self) -> list[MaintenanceResult]:
        """Put the unreadable versions of damaged tables aside."""
        lake = self.lake
        if not any(may_repair(name, report) for name, report in find_damaged(lake)):
            return []
        with ExitStack() as leases:
            if refusal := self._take_leases(leases, cleanup.all_leases(lake)):
                return [MaintenanceResult(lake.uri, "", (), 0, 0, refusal)]
            results = []
            for name, report in find_damaged(lake):  # a second time: somebody may have restored a file meanwhile
                if may_repair(name, report):
                    results.append(MaintenanceResult(lake.uri, name, (repair(lake, name, report),), 0, 0))
            return results

    def remove_leftovers(self) -> MaintenanceResult:
        """Remove what killed runs left behind.

        That needs the leases of all writers, and new writers wait until it is done.
        """
        lake = self.lake
        with ExitStack() as leases:
            if refusal := self._take_leases(leases, cleanup.all_leases(lake)):
                return MaintenanceResult(lake.uri, "", (), 0, 0, refusal)
            removed = cleanup.remove_garbage(lake)
            stale = stale_runs(lake, {self.run_id})
            mark_failed(lake, stale)
            actions = [f"removed {_describe_garbage(name, garbage)}" for name, garbage in removed]
            if stale:
                actions.append(f"marked {len(stale):,} runs as failed")
            if self.request.repair:
                actions += _repair_rows(lake, self.settings)
        return MaintenanceResult(lake.uri, "", tuple(actions), sum(garbage.size for _, garbage in removed), 0)

    def maintain_table(self, name: str) -> MaintenanceResult:
        """Compact and index one table and drop its old versions.

        The leases of its writers are held meanwhile.
        """
        lake, before = self.lake, cleanup.table_size(self.lake, name)
        with ExitStack() as leases:
            if refusal := self._take_leases(leases, cleanup.required_leases(lake, name)):
                return MaintenanceResult(lake.uri, name, (), before, before, refusal)
            self.log(f"{name}: {before / 1e6:,.1f} MB ...")
            try:
                actions = _compact(lake, name)
                if self.settings.keep_stretches:
                    actions += fill_stretches(lake, name)
                actions += update_indexes(lake.table(name), name, merge=True)
                actions += self._drop_old_versions(name)
            except OSError as error:
                if "conflict" not in str(error):
                    raise
                refusal = "another run wrote it meanwhile; run this again"
                return MaintenanceResult(lake.uri, name, (), before, before, refusal)
        return MaintenanceResult(lake.uri, name, tuple(actions), before, cleanup.table_size(lake, name))

    def _take_leases(self, leases: ExitStack, names: list[str]) -> str:
        """Take the leases.

        Return the message about the first one that somebody else holds, or an empty string.
        """
        for name in names:
            if name not in self.refusals:
                try:
                    leases.enter_context(Lease(self.lake, name, self.run_id, self.log, for_upgrade=True))
                    continue
                except UserError as error:
                    self.refusals[name] = str(error)
            return self.refusals[name]
        return ""

    def _drop_old_versions(self, name: str) -> list[str]:
        dropped = cleanup.drop_old_versions(self.lake.table(name), self.request.retention_days)
        return [f"dropped {dropped}"] if dropped.files else []


def _drop_old_releases(lake: Lake, settings: Settings, run_id: str, log: Log) -> list[MaintenanceResult]:
    """Drop the oldest releases; the maintenance of their tables then removes the files."""
    with Lease(lake, LeaseName.RELEASES, run_id, log):
        numbers = retention.drop_old_releases(lake, settings.kept_releases)
    if not numbers:
        return []
    action = f"dropped the files of {len(numbers)} releases, up to {max(numbers)}"
    return [MaintenanceResult(lake.uri, releases.TABLE, (action,), 0, 0)]


def _compact(lake: Lake, name: str) -> list[str]:
    table = lake.table(name)
    replaced = compact(table)
    if not replaced:
        return []
    return [f"compacted {replaced:,} fragments, the table has {len(table.get_fragments()):,} now"]


def _repair_rows(lake: Lake, settings: Settings) -> list[str]:
    """Drop the rows that break an invariant, and take out of search the tracks of sources that are none any more.

    The tracks of dropped rows are pending then, and the next index embeds them.
    """
    actions: list[str] = []
    while True:
        done = [action for finding in examine_lake(lake, settings) for action in _repair_finding(lake, finding)]
        if not done:
            return actions
        actions += done  # examine once more: a dropped row of features leaves an embedding without features


def _repair_finding(lake: Lake, finding: Finding) -> Iterator[str]:
    rows = sum(lake.table(finding.table).delete(where)["num_deleted_rows"] for where in finding.drop)
    if rows:
        yield f"dropped {rows:,} rows of {finding.table}: {finding.what}"
    for source in finding.sources:
        if number := deactivate_source(lake, source):
            yield f"took {number:,} tracks of {source} out of search: it is no source any more"


def _plan(lake: Lake, request: MaintainRequest, settings: Settings) -> list[MaintenanceResult]:
    """Return what `maintain` would do; nothing is written."""
    holders = unreleased_holders(lake)
    expired = expired_holders(lake, holders)
    running = {holder.run_id for name, holder in holders.items() if name not in expired}
    garbage_by_table = [] if running else cleanup.find_garbage(lake)
    actions = [f"would remove {_describe_garbage(name, garbage)}" for name, garbage in garbage_by_table]
    stale = stale_runs(lake, running)
    if stale and not running:
        actions.append(f"would mark {len(stale):,} runs as failed")
    refusal = f"at work: {', '.join(sorted(running))}" if running else ""
    size = sum(garbage.size for _, garbage in garbage_by_table)
    names = sorted(lake.table_names())
    whole_lake = MaintenanceResult(lake.uri, "", tuple(actions), size, 0, refusal)
    return [whole_lake, *(_plan_table(lake, name, request.retention_days, settings) for name in names)]


def _plan_table(lake: Lake, name: str, retention_days: float, settings: Settings) -> MaintenanceResult:
    table, size = lake.table(name), cleanup.table_size(lake, name)
    actions = []
    if count := fragments_to_compact(table):
        actions.append(f"would compact {count:,} fragments")
    if settings.keep_stretches and lacks_stretches(lake, name):
        actions.append("would compute the stretches")
    actions += [f"would build the index of {column}" for column in indexes_to_build(table, name, merge=True)]
    old = cleanup.old_versions(table, retention_days)
    if old.files:
        actions.append(f"would drop {old}")
    return MaintenanceResult(lake.uri, name, tuple(actions), size, size - old.size)


def _describe_garbage(table: str, garbage: cleanup.Garbage) -> str:
    return f"{garbage} of {table}" if table else str(garbage)
