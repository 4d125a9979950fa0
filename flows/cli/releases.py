"""`tonelake releases`, `promote` and `rollback`: what readers see."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.jobs import run_job
from flows.cli.output import log, print_json, print_rows
from schemas.errors import UserError

if TYPE_CHECKING:
    from schemas.releases import Release

app = typer.Typer()


@app.command()
def releases(context: typer.Context) -> None:
    """List the published releases; the last one is live."""
    from lake.releases.releases import list_releases
    from lake.storage.lake import Lake

    settings = context.obj.settings
    lake = Lake.at(settings.lake, settings.s3)
    lake.require_table_names()
    published = list_releases(lake)
    if context.obj.json:
        print_json([release.to_json() | {"live": release is published[-1]} for release in published])
        return
    rows = [_table_row(release, release is published[-1]) for release in published]
    print_rows(context.obj, f"releases of {lake.uri}", rows)


@app.command()
def promote(
    context: typer.Context,
    version: Annotated[str, typer.Argument(metavar="VERSION_or_ENCODER", help="Version to test and to make live.")],
    gate: Annotated[str | None, typer.Option(help="TOML file with your own limits.")] = None,
    interactions: Annotated[
        str | None, typer.Option(help="Who played what: .csv or .parquet with user_id, track_id, timestamp.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Publish it even if a check fails.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why it is forced; stored with the release.")] = None,
) -> None:
    """Test a version against the live release; make it live if no check fails."""
    from flows.releases.gate.table import check_row
    from flows.releases.promote import PromoteRequest
    from flows.releases.promote import promote as promote_version

    if force != bool(reason and reason.strip()):
        raise UserError("--force and --reason TEXT go together: the reason is stored with the release")
    settings, request = context.obj.settings, PromoteRequest(version, gate, interactions, reason)
    promotion = run_job("promote", lambda: promote_version(request, settings, log), asdict(request), settings)
    if context.obj.json:
        document = {
            "candidate": promotion.candidate.embedding_version,
            "encoder": promotion.candidate.name,
            "gate": [check.to_json() for check in promotion.checks],
            "published": promotion.published.to_json() if promotion.published else None,
        }
        print_json(document)
    else:
        print_rows(context.obj, promotion.title, [check_row(check) for check in promotion.checks])
        if promotion.published:
            forced = f", forced: {promotion.published.reason}" if promotion.published.forced else ""
            print(f"{promotion.published.title} is live{forced}")
        else:
            failed = ", ".join(check.name for check in promotion.failed)
            live = f"{promotion.before.title} stays live" if promotion.before else "nothing is live"
            print(f"refused: {failed}. {live}; --force --reason TEXT publishes it all the same")
    raise typer.Exit(0 if promotion.published else 1)


@app.command()
def rollback(
    context: typer.Context,
    release: Annotated[
        int | None, typer.Argument(min=1, help="Release to publish again; by default the one before the live one.")
    ] = None,
) -> None:
    """Make an earlier release live again."""
    from flows.releases.promote import rollback as publish_earlier

    settings = context.obj.settings
    published = run_job("rollback", lambda: publish_earlier(release, settings, log), {"release": release}, settings)
    if context.obj.json:
        print_json(published.to_json())
        return
    print(f"{published.title} is live: {published.snapshot.tracks:,} tracks, as in release {published.republishes}")


def _table_row(release: "Release", is_live: bool) -> dict[str, Any]:
    verdicts = [check.verdict for check in release.gate]
    counts = [f"{verdicts.count(word)} {word}" for word in ("passed", "FAILED", "not judged") if word in verdicts]
    command = f"{release.command} of {release.republishes}" if release.republishes else release.command
    return {
        "release": str(release.number) + (" live" if is_live else ""),
        "encoder": release.snapshot.encoder,
        "version": release.snapshot.embedding_version,
        "tracks": release.snapshot.tracks,
        "published": f"{release.published_at:%Y-%m-%d %H:%M}",
        "by": command,
        "gate": ", ".join(counts),
        "forced": release.reason or "",
    }
