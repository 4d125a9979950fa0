"""Commands that keep a lake current: sources, refresh."""

from typing import Annotated, Any

import typer

from flows.cli.output import Context, print_json, show_list
from schemas.settings import Settings

app = typer.Typer()
sources = typer.Typer(help="The sources that `tonelake refresh` goes by.", no_args_is_help=True)
app.add_typer(sources, name="sources")


@app.command()
def refresh(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
    accept_loss: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE", help="This source may lose its tracks, or be gone.")
    ] = None,
) -> None:
    """Bring the lake up to date with its remembered sources; embed only what is new or changed."""
    from flows.ingest.refresh import RefreshRequest, would_refresh

    settings, request = context.obj.settings, RefreshRequest(tuple(accept_loss or ()))
    if dry_run:
        from flows.console.progress import Watch

        _show(context.obj, would_refresh(request, settings, Watch().say))
        return
    report = _run(request, settings)
    _show(context.obj, report)
    raise typer.Exit(1 if any(counts["unfinished"] for counts in report["encoders"]) else 0)


@sources.command("add")
def add(
    context: typer.Context,
    sources: Annotated[list[str], typer.Argument(help="Folders, files, s3:// prefixes or manifests.")],
) -> None:
    """Remember sources; `tonelake index SOURCE` does so too."""
    from flows.ingest.sources import add as remember
    from flows.ingest.sources import listed

    remember(sources, context.obj.settings)
    show_list(context.obj, "sources", listed(context.obj.settings))


@sources.command("list")
def show(context: typer.Context) -> None:
    """The sources that are remembered."""
    from flows.ingest.sources import listed

    show_list(context.obj, "sources", listed(context.obj.settings))


@sources.command("remove")
def remove(context: typer.Context, source: Annotated[str, typer.Argument()]) -> None:
    """Forget a source and take its tracks out of search; their vectors are kept."""
    from flows.ingest.sources import remove as forget

    number = forget(source, context.obj.settings)
    if context.obj.json:
        print_json({"source": source, "forgotten": number})
        return
    print(
        f"{number:,} tracks of {source} are forgotten: no longer expected, no longer found. Their vectors are kept: "
        f"`tonelake sources add {source}` and `tonelake refresh` bring them back without decoding. "
        "Those that another remembered source lists too come back with the next refresh."
    )


def _run(request: Any, settings: Settings) -> dict[str, Any]:
    """Recorded by Prefect where PREFECT_API_URL names a server."""
    if settings.prefect_api_url:
        from flows.deployments import refresh as recorded_refresh

        named = {name: getattr(settings, name) for name in ("lake", "allow_unproven")}
        chosen = {"encoder": settings.encoder} if "encoder" in settings.model_fields_set else {}
        return recorded_refresh(accept_loss=list(request.accept_loss), **named, **chosen)
    from flows.console.progress import Watch
    from flows.ingest.refresh import refresh

    return refresh(request, settings, Watch())


def _show(context: Context, report: dict[str, Any]) -> None:
    if context.json:
        print_json(report)
        return
    from flows.console.tables import CHANGES, bill_line, coverage_rows
    from flows.console.tables import show as show_table

    rows = [[name, report[name]] for name in CHANGES]
    show_table(f"{report['listed']:,} tracks in {len(report['sources'])} sources", ["tracks", ""], rows)
    for counts in report["encoders"]:
        title = f"run {counts['run_id']}" if "run_id" in counts else "would do"
        version = f"{counts['encoder']} {counts['embedding_version']}"
        show_table(f"{version}, {title}", ["tracks", ""], coverage_rows(counts))
        done = counts.get("embedded_now", counts.get("would_embed"))
        print(f"{'embedded' if 'run_id' in counts else 'to embed'} {done:,}, listing {report['listing_seconds']} s")
        print(bill_line(counts))
