"""`tonelake status`, `tonelake maintain` and `tonelake doctor`."""

from typing import Annotated, Any

import typer

from flows.cli.jobs import run_job
from flows.cli.options import DryRun
from flows.cli.output import log, print_json, print_rows
from schemas.errors import UserError
from schemas.redaction import replace_controls

app = typer.Typer()


@app.command()
def status(
    context: typer.Context,
    prometheus: Annotated[bool, typer.Option("--prometheus", help="Print it in Prometheus's text format.")] = False,
) -> None:
    """Print the coverage of every encoder version in the lake, and the table sizes."""
    if prometheus:
        from flows.operations.prometheus import prometheus_text

        if context.obj.json:
            raise UserError("status answers in one form: give --json or --prometheus, not both")
        print(prometheus_text(context.obj.settings), end="")
        return
    from flows.operations.status import read_status

    report = read_status(context.obj.settings)
    if context.obj.json:
        print_json(report.to_json())
        return
    from flows.console.tables import print_table
    from flows.ingest.report import coverage_rows, searchable_rows

    for encoder in report.encoders:
        title = f"{encoder.encoder} {encoder.embedding_version}"
        print_table(title, ["tracks", ""], coverage_rows(encoder.coverage) + searchable_rows(encoder.searchable))
        if missing := encoder.described.undescribed:
            print(f"{missing:,} tracks have no tempo, key and loudness: tonelake describe")
        if missing := encoder.without_moments:
            print(f"{missing:,} tracks have no moments: the lake keeps no windows of them")
    if report.not_available:
        print(f"{report.not_available:,} tracks are not available today: tonelake why TRACK shows the dates of one")
    sizes = [report.tables, *(encoder.tables for encoder in report.encoders)]
    rows = [[name, size.rows, size.bytes] for tables in sizes for name, size in tables.items()]
    print_table(report.lake, ["table", "rows", "bytes"], rows)
    if live := report.live:
        line = f"live: release {live.number}, {live.snapshot.encoder} {live.snapshot.embedding_version}"
        print(replace_controls(line))


@app.command()
def why(
    context: typer.Context,
    track: Annotated[str, typer.Argument(metavar="TRACK_or_FILE", help="An id or its beginning, a path or a title.")],
) -> None:
    """Say where a track or a file is, and what to do next."""
    from flows.operations.why import explain_track

    report = explain_track(track, context.obj.settings)
    if context.obj.json:
        print_json(report.to_json())
        return
    print(replace_controls(f"{report.uri or track}: {report.answer}"))
    if report.track_id:
        print(replace_controls(f"track_id {report.track_id}"))
    for state in report.versions:
        reason = f": {state.reason}" if state.reason else ""
        stale = f", stale since {state.stale_since:%Y-%m-%d}" if state.stale_since else ""
        print(replace_controls(f"{state.encoder} {state.embedding_version}: {state.state}{reason}{stale}"))
    if report.releases:
        print(f"in the releases {', '.join(map(str, report.releases))}")
    for uri in report.exports:
        print(replace_controls(f"in the export {uri}"))
    if report.advice:
        print(replace_controls(f"next: {report.advice}"))


@app.command()
def maintain(
    context: typer.Context,
    retention: Annotated[
        float | None, typer.Option(min=0, help="Keep table versions of so many days (env: TONELAKE_RETENTION_DAYS)")
    ] = None,
    dry_run: DryRun = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Drop the wrong rows and damaged versions that doctor finds; rerun index.")
    ] = False,
) -> None:
    """Compact tables, update indexes, drop old versions, remove leftovers of killed runs."""
    settings = context.obj.settings
    days = settings.retention_days if retention is None else retention
    from flows.operations.maintain import MaintainRequest
    from flows.operations.maintain import maintain as maintain_lake

    def run() -> list[dict[str, Any]]:
        return [result.row() for result in maintain_lake(MaintainRequest(days, dry_run, repair), settings, log)]

    rows = run() if dry_run else run_job("maintain", run, {"retention_days": days, "repair": repair}, settings)
    print_rows(context.obj, "maintained" if not dry_run else "would do", rows)


@app.command()
def doctor(
    context: typer.Context,
    hubs: Annotated[bool, typer.Option("--hubs", help="Name tracks that stand in too many answers instead.")] = False,
) -> None:
    """Check every invariant of the lake; print what repairs a broken one (exit code 1)."""
    if hubs:
        from flows.operations.hubs import find_hubs

        rows = [hub.row() for hub in find_hubs(context.obj.settings)]
        print_rows(context.obj, "in too many answers", rows)
        return
    from flows.operations.doctor import examine_lakes as examine

    findings = [finding.row() for finding in examine(context.obj.settings)]
    if findings or context.obj.json:
        print_rows(context.obj, context.obj.settings.lake, findings)
    else:
        print("all is well")
    raise typer.Exit(1 if findings else 0)
