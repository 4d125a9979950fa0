"""`tonelake maintain` and `tonelake doctor`."""

from typing import Annotated

import typer

from flows.cli.output import say, show_list

app = typer.Typer()


@app.command()
def maintain(
    context: typer.Context,
    retention: Annotated[
        float | None, typer.Option(min=0, help="Keep versions of so many days; else TONELAKE_RETENTION_DAYS.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
    mend: Annotated[
        bool, typer.Option("--mend", help="Drop what doctor finds wrong, rows and damaged versions, to be made again.")
    ] = False,
) -> None:
    """Compact tables, refresh indexes, drop old versions, remove what killed runs left."""
    settings = context.obj.settings
    days = settings.retention_days if retention is None else retention
    if settings.prefect_api_url and not dry_run:
        from flows.deployments import maintain as recorded_maintain

        rows = recorded_maintain(lake=settings.lake, retention_days=days, mend=mend)
    else:
        from flows.operations.maintain import MaintainRequest
        from flows.operations.maintain import maintain as run

        done = run(MaintainRequest(days, dry_run, mend), settings, say)
        rows = [care.row() for care in done]
    show_list(context.obj, "maintained" if not dry_run else "would do", rows)


@app.command()
def doctor(context: typer.Context) -> None:
    """Check every invariant of the lake; exit code 1 and the command that mends it where one is broken."""
    from flows.operations.doctor import doctor as examine

    findings = [finding.row() for finding in examine(context.obj.settings)]
    if findings or context.obj.json:
        show_list(context.obj, context.obj.settings.lake, findings)
    else:
        print("all is well")
    raise typer.Exit(1 if findings else 0)
