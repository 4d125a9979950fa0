"""`tonelake index` and `tonelake quarantine`: embed tracks, and look at those that failed."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import Context, DryRun, parse_count
from flows.cli.output import print_json, print_rows
from schemas.settings import Settings

if TYPE_CHECKING:
    from flows.ingest.report import IndexRequest

app = typer.Typer()


@app.command()
def index(
    context: typer.Context,
    sources: Annotated[list[str], typer.Argument(help="Folders, files, s3:// prefixes or manifests.")],
    max_windows: Annotated[str, typer.Option(help="Windows of a track to embed: all, or at most N.")] = "all",
    limit: Annotated[int | None, typer.Option(min=1, help="Embed at most this many tracks now.")] = None,
    dry_run: DryRun = False,
) -> None:
    """Embed and tag the tracks of a source that are not in the lake yet."""
    from flows.ingest.report import IndexRequest

    request = IndexRequest(tuple(sources), parse_count(max_windows, "--max-windows"), limit)
    if dry_run:
        from flows.ingest.dry_run import estimate

        estimates = [estimate(request, settings) for settings in context.obj.settings.split_by_encoder()]
        _print_reports(context.obj, estimates)
        return
    reports = _run_index(request, context.obj.settings)
    _print_reports(context.obj, reports)
    raise typer.Exit(1 if any(report["unfinished"] for report in reports) else 0)


@app.command()
def quarantine(
    context: typer.Context,
    retry: Annotated[bool, typer.Option("--retry", help="Try to embed them again first.")] = False,
) -> None:
    """List the tracks that could not be embedded, and why."""
    from flows.operations.status import quarantined_max_windows, read_quarantine

    unfinished = 0
    if retry:
        from flows.ingest.report import IndexRequest

        for settings in context.obj.settings.split_by_encoder():
            for max_windows in quarantined_max_windows(settings):
                (report,) = _run_index(IndexRequest(max_windows=max_windows, retry=True), settings)
                unfinished += report["unfinished"]
    quarantined = read_quarantine(context.obj.settings)
    print_rows(context.obj, "quarantine", [track.to_json() for track in quarantined])
    raise typer.Exit(1 if unfinished else 0)


def _run_index(request: "IndexRequest", settings: Settings) -> list[dict[str, Any]]:
    """Run the index job, as a Prefect flow if PREFECT_API_URL names a server.

    Without a server Prefect would start a temporary one first: 12 s (measured) for nothing.
    """
    if settings.prefect_api_url:
        from flows.deployments import index as index_flow

        options = {name: getattr(settings, name) for name in ("lake", "encoder", "allow_unpinned")}
        return index_flow(**asdict(request) | options)
    from flows.console.progress import ProgressReporter
    from flows.ingest.index import index_catalogue

    return [asdict(report) for report in index_catalogue(request, settings, ProgressReporter())]


def _print_reports(context: Context, reports: list[dict[str, Any]]) -> None:
    """Print what a run did, or would do, for each encoder."""
    if context.json:
        print_json(reports[0] if len(reports) == 1 else reports)
        return
    from flows.console.tables import print_table
    from flows.ingest.report import COST_KEYS, cost_line, coverage_rows

    printed_elsewhere = COST_KEYS | {
        *("encoder", "embedding_version", "run_id"),
        *("expected", "embedded", "quarantined", "pending", "reasons"),
    }
    for report in reports:
        title = f"run {report['run_id']}" if "run_id" in report else "would do"
        version = f"{report['encoder']} {report['embedding_version']}"
        print_table(f"{version}, {title}", ["tracks", ""], coverage_rows(report))
        others = {name: value for name, value in report.items() if name not in printed_elsewhere}
        print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in others.items()))
        print(cost_line(report))
