"""`tonelake refresh` and `tonelake sources`: keep a lake up to date."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import Context, DryRun
from flows.cli.output import log, print_json, print_rows
from schemas.settings import Settings

if TYPE_CHECKING:
    from flows.ingest.refresh import RefreshRequest

app = typer.Typer()
sources = typer.Typer(help="Manage the sources that `tonelake refresh` lists.", no_args_is_help=True)
app.add_typer(sources, name="sources")


@app.command()
def refresh(
    context: typer.Context,
    dry_run: DryRun = False,
    accept_loss: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE", help="Accept that this source lost tracks or is gone.")
    ] = None,
) -> None:
    """Bring the lake up to date with its sources; embed only new and changed tracks."""
    from flows.ingest.refresh import RefreshRequest, preview_refresh

    settings, request = context.obj.settings, RefreshRequest(tuple(accept_loss or ()))
    if dry_run:
        _print_report(context.obj, preview_refresh(request, settings, log))
        return
    report = _run_refresh(request, settings)
    _print_report(context.obj, report)
    raise typer.Exit(1 if any(counts["unfinished"] for counts in report["encoders"]) else 0)


@sources.command("add")
def add_sources(
    context: typer.Context,
    sources: Annotated[list[str], typer.Argument(help="Folders, files, s3:// prefixes or manifests.")],
) -> None:
    """Add sources; `tonelake index SOURCE` adds its source, too."""
    from flows.ingest.sources import add as register_sources
    from flows.ingest.sources import read_sources

    register_sources(sources, context.obj.settings)
    print_rows(context.obj, "sources", read_sources(context.obj.settings))


@sources.command("list")
def list_sources(context: typer.Context) -> None:
    """List the sources."""
    from flows.ingest.sources import read_sources

    print_rows(context.obj, "sources", read_sources(context.obj.settings))


@sources.command("remove")
def remove_source(context: typer.Context, source: Annotated[str, typer.Argument()]) -> None:
    """Remove a source, and its tracks from search; keep their vectors."""
    from flows.ingest.sources import remove

    number = remove(source, context.obj.settings)
    if context.obj.json:
        print_json({"source": source, "removed": number})
        return
    print(
        f"{number:,} tracks of {source} are removed: they are not expected and not found any more. Their vectors are "
        f"kept: `tonelake sources add {source}` and `tonelake refresh` bring them back without decoding. "
        "Tracks that another source lists too come back with the next refresh."
    )


def _run_refresh(request: "RefreshRequest", settings: Settings) -> dict[str, Any]:
    """Run the refresh, as a Prefect flow if PREFECT_API_URL names a server."""
    if settings.prefect_api_url:
        from flows.deployments import refresh as refresh_flow

        options = {name: getattr(settings, name) for name in ("lake", "allow_unpinned")}
        if settings.has_explicit_encoder:
            options["encoder"] = settings.encoder
        return refresh_flow(accept_loss=list(request.accept_loss), **options)
    from flows.console.progress import ProgressReporter
    from flows.ingest.refresh import refresh as refresh_lake

    return refresh_lake(request, settings, ProgressReporter())


def _print_report(context: Context, report: dict[str, Any]) -> None:
    if context.json:
        print_json(report)
        return
    from flows.console.tables import print_table
    from flows.ingest.report import CHANGE_COUNTS, cost_line, coverage_rows

    rows = [[name, report[name]] for name in CHANGE_COUNTS]
    print_table(f"{report['listed']:,} tracks in {len(report['sources'])} sources", ["tracks", ""], rows)
    for counts in report["encoders"]:
        title = f"run {counts['run_id']}" if "run_id" in counts else "would do"
        version = f"{counts['encoder']} {counts['embedding_version']}"
        print_table(f"{version}, {title}", ["tracks", ""], coverage_rows(counts))
        done = counts.get("embedded_now", counts.get("would_embed"))
        print(f"{'embedded' if 'run_id' in counts else 'to embed'} {done:,}, listing {report['listing_seconds']} s")
        print(cost_line(counts))
