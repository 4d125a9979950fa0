"""Care of a lake and of those beside it: few fragments, whole indexes, no old versions, nothing left lying about."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from flows.doctor import examine
from flows.index import Step
from lake import tidy
from lake.connect import Lake
from lake.index import compact, to_compact, update_indexes, wanted_indexes
from lake.lease import SWEEP, Lease
from lake.runs import RunRecord, new_run_id
from schemas.care import Care, Finding
from schemas.errors import UserError
from schemas.settings import Settings

Say = Callable[[str], None]


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
    with (
        Lease(lake, tidy.MAINTAIN, run_id, say),
        RunRecord(lake, run_id, "maintain", None, asdict(request)) as record,
    ):
        done: list[Care] = []
        for one in tidy.lakes(lake):
            done.append(step(_swept)(one, run_id, request, settings, say))
            tables = [name for name in sorted(one.names()) if tidy.is_table(one, name)]
            done += [step(_tended)(one, name, run_id, request, say) for name in tables]
        record.done(_counts(done))
    return done


def _counts(done: list[Care]) -> dict[str, Any]:
    sums = {name: sum(getattr(care, name) for care in done) for name in ("bytes_before", "bytes_after")}
    return sums | {"tables": [care.row() for care in done]}


def _tended(lake: Lake, name: str, run_id: str, request: MaintainRequest, say: Say) -> Care:
    """One table, under the leases of those who write it."""
    before = tidy.size(lake, name)
    with ExitStack() as held:
        try:
            leases = [held.enter_context(Lease(lake, guard, run_id, say)) for guard in tidy.guards(lake, name)]
        except UserError as holder:
            return Care(lake.uri, name, (), before, before, str(holder))
        say(f"{name}: {before / 1e6:,.1f} MB ...")
        done: list[str] = []
        for work in (_compacted, _indexed, partial(_dropped, days=request.retention_days)):
            for lease in leases:
                lease.check()
            done += work(lake, name)
    return Care(lake.uri, name, tuple(done), before, tidy.size(lake, name))


def _compacted(lake: Lake, name: str) -> list[str]:
    table = lake.table(name)
    replaced = compact(table)
    return [f"compacted {replaced:,} fragments, {len(table.get_fragments()):,} there are"] if replaced else []


def _indexed(lake: Lake, name: str) -> list[str]:
    return update_indexes(lake.table(name), name, merge=True)


def _dropped(lake: Lake, name: str, days: float) -> list[str]:
    old = tidy.drop_old_versions(lake.table(name), days)
    return [f"dropped {old}"] if old.files else []


def _swept(lake: Lake, run_id: str, request: MaintainRequest, settings: Settings, say: Say) -> Care:
    """What needs that no writer is at work: a sweep holds the leases of all, and new ones wait for its end."""
    with ExitStack() as held:
        try:
            held.enter_context(Lease(lake, SWEEP, run_id, say))
            for name in tidy.writers(lake):
                held.enter_context(Lease(lake, name, run_id, say))
        except UserError as holder:
            return Care(lake.uri, "", (), 0, 0, str(holder))
        removed = tidy.sweep(lake)
        stale = tidy.stale_runs(lake, {run_id})
        tidy.fail(lake, stale)
        done = [f"removed {waste}{f' of {name}' if name else ''}" for name, waste in removed]
        done += [f"marked {len(stale):,} runs as failed"] if stale else []
        done += _mended(lake, settings) if request.mend else []
    return Care(lake.uri, "", tuple(done), sum(waste.size for _, waste in removed), 0)


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
    wasted = tidy.wasted(lake)
    would = [f"would remove {waste}{f' of {name}' if name else ''}" for name, waste in wasted]
    planned = [Care(lake.uri, "", tuple(would), sum(waste.size for _, waste in wasted), 0)]
    for name in sorted(name for name in lake.names() if tidy.is_table(lake, name)):
        table, size = lake.table(name), tidy.size(lake, name)
        would = [f"would compact {count:,} fragments"] if (count := to_compact(table)) else []
        would += [f"would build the index of {column}" for column in wanted_indexes(table, name)]
        old = tidy.old_versions(table, request.retention_days)
        would += [f"would drop {old}"] if old.files else []
        planned.append(Care(lake.uri, name, tuple(would), size, size - old.size))
    return planned
