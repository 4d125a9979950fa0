"""`tonelake describe`: tempo, key and loudness of tracks that lack them."""

from typing import TYPE_CHECKING

import typer

from flows.cli.jobs import run_job
from flows.cli.options import Context, DryRun
from flows.cli.output import print_json

if TYPE_CHECKING:
    from flows.ingest.describe import DescribeReport

app = typer.Typer()


@app.command()
def describe(context: typer.Context, dry_run: DryRun = False) -> None:
    """Describe embedded tracks that lack tempo, key and loudness; run it again to resume."""
    from flows.console.progress import ProgressReporter
    from flows.ingest.describe import describe as describe_lake
    from flows.ingest.describe import preview

    settings = context.obj.settings
    if dry_run:
        _print_report(context.obj, preview(settings))
        return
    report = run_job("describe", lambda: describe_lake(settings, ProgressReporter()), {}, settings)
    _print_report(context.obj, report)
    raise typer.Exit(1 if report.unfinished else 0)


def _print_report(context: Context, report: "DescribeReport") -> None:
    if context.json:
        print_json(report.to_json())
        return
    from flows.console.tables import print_table
    from flows.ingest.report import cost_line

    for rows in report.encoders:
        title = f"{rows.encoder} {rows.embedding_version}"
        print_table(title, ["tracks", ""], [["described", rows.described], ["not described", rows.undescribed]])
    for reason, count in sorted(report.pending.items()):
        print(f"{count:,} files: {reason}")
    print(cost_line(report.cost) if report.cost else f"decoded {report.decoded:,} files")
