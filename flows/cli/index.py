"""`tonelake index` and `tonelake quarantine`: embed tracks, and look at those that failed."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.jobs import run_job
from flows.cli.options import Context, DryRun, parse_count
from flows.cli.output import log, print_json, print_rows, shorten_ids
from schemas.settings import Settings

if TYPE_CHECKING:
    from flows.ingest.report import IndexReport, IndexRequest, RunEstimate

app = typer.Typer()

# JSON keys of a report by where they are printed; the others stand in a line of their own
_IN_TITLE_OR_TABLE = {
    "run_id",
    "encoder",
    "embedding_version",
    "expected",
    "embedded",
    "quarantined",
    "pending",
    "reasons",
    "searchable",
    "stale",
    "stale_since",
}
_IN_COST_LINE = {"core_seconds", "gpu_seconds", "bytes_written", "cost", "currency", "shared_with"}


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
        from flows.ingest.dry_run import estimates

        _print_reports(context.obj, estimates(request, context.obj.settings, log))
        return
    reports = _run_index(request, context.obj.settings)
    _print_reports(context.obj, reports)
    raise typer.Exit(1 if any(report.unfinished for report in reports) else 0)


@app.command()
def quarantine(
    context: typer.Context,
    retry: Annotated[bool, typer.Option("--retry", help="Try to embed them again first.")] = False,
) -> None:
    """List the tracks that could not be embedded, and why."""
    from flows.operations.status import quarantined_versions, read_quarantine

    unfinished = 0
    if retry:
        from flows.ingest.report import IndexRequest

        for encoder, max_windows in quarantined_versions(context.obj.settings):
            settings = context.obj.settings.model_copy(update={"encoder": encoder})
            (report,) = _run_index(IndexRequest(max_windows=max_windows, retry=True), settings)
            unfinished += report.unfinished
    quarantined = read_quarantine(context.obj.settings)
    print_rows(context.obj, "quarantine", shorten_ids(context.obj, [track.to_json() for track in quarantined]))
    raise typer.Exit(1 if unfinished else 0)


def _run_index(request: "IndexRequest", settings: Settings) -> "list[IndexReport]":
    from flows.console.progress import ProgressReporter
    from flows.ingest.index import index_catalogue

    options = asdict(request) | {name: getattr(settings, name) for name in ("encoder", "allow_unpinned")}
    return run_job("index", lambda: index_catalogue(request, settings, ProgressReporter()), options, settings)


def _print_reports(context: Context, reports: "Sequence[IndexReport | RunEstimate]") -> None:
    """Print what a run did, or would do, for each encoder."""
    if context.json:
        documents = [report.to_json() for report in reports]
        print_json(documents[0] if len(documents) == 1 else documents)
        return
    from flows.console.tables import print_table
    from flows.ingest.report import cost_line, report_rows

    for report in reports:
        print_table(report.title, ["tracks", ""], report_rows(report))
        others = {
            name: value for name, value in report.to_json().items() if name not in _IN_TITLE_OR_TABLE | _IN_COST_LINE
        }
        print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in others.items()))
        print(cost_line(report.cost))
