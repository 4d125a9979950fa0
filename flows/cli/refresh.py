"""`tonelake refresh` and `tonelake sources`: keep a lake up to date."""

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.jobs import run_job
from flows.cli.options import Context, DryRun
from flows.cli.output import log, print_json, print_rows
from schemas.settings import Settings

if TYPE_CHECKING:
    from flows.ingest.refresh import RefreshRequest
    from flows.ingest.refresh_report import RefreshReport
    from flows.ingest.report import IndexReport, RunEstimate

app = typer.Typer()
sources = typer.Typer(help="Manage the sources that `tonelake refresh` lists.")
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
    raise typer.Exit(1 if any(encoder.unfinished for encoder in report.encoders) else 0)


@sources.command("add")
def add_sources(
    context: typer.Context,
    sources: Annotated[list[str], typer.Argument(help="Folders, files, s3:// prefixes or manifests.")],
) -> None:
    """Add sources; `tonelake index SOURCE` adds its source, too."""
    from flows.ingest.sources import add as register_sources

    register_sources(sources, context.obj.settings)
    _print_sources(context.obj)


@sources.command("list")
def list_sources(context: typer.Context) -> None:
    """List the sources."""
    _print_sources(context.obj)


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


@sources.command("allow")
def allow_outside(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A manifest.")],
    locations: Annotated[list[str], typer.Argument(help="Folders, s3:// prefixes or file:// uris.")],
) -> None:
    """Allow a manifest files outside its folder, for this lake on this machine."""
    from flows.ingest.allowances import allow

    allow(source, locations, context.obj.settings)
    _print_sources(context.obj)


@sources.command("revoke")
def revoke_outside(context: typer.Context, source: Annotated[str, typer.Argument(help="A manifest.")]) -> None:
    """Forget which files outside its folder a manifest may name."""
    from flows.ingest.allowances import revoke

    locations = revoke(source, context.obj.settings)
    if context.obj.json:
        print_json({"source": source, "revoked": locations})
    elif locations:
        print(f"{source} may not name files in {', '.join(locations)} any more")
    else:
        print(f"{source} had no such right in this lake on this machine")


def _run_refresh(request: "RefreshRequest", settings: Settings) -> "RefreshReport[IndexReport]":
    from flows.console.progress import ProgressReporter
    from flows.ingest.refresh import refresh as refresh_lake

    options = {"accept_loss": list(request.accept_loss), "allow_unpinned": settings.allow_unpinned}
    if settings.has_explicit_encoder:
        options["encoder"] = settings.encoder
    return run_job("refresh", lambda: refresh_lake(request, settings, ProgressReporter()), options, settings)


def _print_sources(context: Context) -> None:
    from flows.ingest.sources import read_sources

    rows = [source.to_json() for source in read_sources(context.settings)]
    if not context.json:
        rows = [row | {"allowed_outside": ", ".join(row["allowed_outside"])} for row in rows]
    print_rows(context, "sources", rows)


def _print_report(context: Context, report: "RefreshReport[IndexReport] | RefreshReport[RunEstimate]") -> None:
    if context.json:
        print_json(report.to_json())
        return
    from flows.console.tables import print_table
    from flows.ingest.refresh_report import change_rows
    from flows.ingest.report import IndexReport, cost_line, report_rows

    print_table(report.title, ["tracks", ""], change_rows(report.changes))
    for encoder in report.encoders:
        print_table(encoder.title, ["tracks", ""], report_rows(encoder))
        if isinstance(encoder, IndexReport):
            done = f"embedded {encoder.embedded_now:,}"
        else:
            done = f"to embed {encoder.would_embed:,}"
        print(f"{done}, listing {report.listing_seconds} s")
        print(cost_line(encoder.cost))
