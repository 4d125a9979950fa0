"""Commands around what readers see: releases, promote, rollback."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from flows.cli.output import print_json, say, show_list
from schemas.errors import UserError
from schemas.releases import Check, Release
from schemas.settings import Settings

app = typer.Typer()


@app.command()
def releases(context: typer.Context) -> None:
    """What was published, and what is live: the last one."""
    from lake.releases.releases import releases as read_releases
    from lake.storage.lake import Lake

    settings = context.obj.settings
    lake = Lake.at(settings.lake, settings.s3)
    lake.required_names()
    found = read_releases(lake)
    if context.obj.json:
        print_json([_document(one) | {"live": one is found[-1]} for one in found])
        return
    show_list(context.obj, f"releases of {lake.uri}", [_line(one, one is found[-1]) for one in found])


@app.command()
def promote(
    context: typer.Context,
    version: Annotated[str, typer.Argument(metavar="VERSION_or_ENCODER", help="Judge this and make it live.")],
    gate: Annotated[str | None, typer.Option(help="TOML file with limits of your own.")] = None,
    interactions: Annotated[
        str | None, typer.Option(help="Who played what: .csv or .parquet with user_id, track_id, timestamp.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Publish it even where a check fails.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why it is forced; kept with the release.")] = None,
) -> None:
    """Judge a version against what is live, and make it live where no check fails."""
    from flows.releases.gate.table import check_line
    from flows.releases.promote import PromoteRequest

    if force != bool(reason and reason.strip()):
        raise UserError("--force and --reason TEXT go together: the reason is kept with the release")
    done = _promoted(PromoteRequest(version, gate, interactions, reason), context.obj.settings)
    if context.obj.json:
        gates = [_check(check) for check in done.checks]
        told = {"candidate": done.candidate.embedding_version, "encoder": done.candidate.name, "gate": gates}
        print_json(told | {"published": _document(done.published) if done.published else None})
    else:
        show_list(context.obj, done.title, [check_line(check) for check in done.checks])
        if done.published:
            forced = f", forced: {done.published.reason}" if done.published.forced else ""
            print(f"{done.published.title} is live{forced}")
        else:
            told = ", ".join(check.name for check in done.failed)
            kept = f"{done.before.title} stays live" if done.before else "nothing is live"
            print(f"refused: {told}. {kept}; --force --reason TEXT publishes it all the same")
    raise typer.Exit(0 if done.published else 1)


@app.command()
def rollback(
    context: typer.Context,
    number: Annotated[int | None, typer.Argument(min=1, help="Publish this one again; else the one before.")] = None,
) -> None:
    """Make an earlier release live again."""
    from flows.releases.promote import rollback as run

    published = run(number, context.obj.settings, say)
    if context.obj.json:
        print_json(_document(published))
        return
    print(f"{published.title} is live: {published.snapshot.tracks:,} tracks, as in release {published.again}")


def _promoted(request: Any, settings: Settings) -> Any:
    """As `tonelake index`: recorded by Prefect where PREFECT_API_URL names a server."""
    if settings.prefect_api_url:
        from flows.deployments import promote as recorded_promote

        return recorded_promote(**asdict(request), lake=settings.lake)
    from flows.releases.promote import promote as promote_here

    return promote_here(request, settings, say)


def _check(check: Check) -> dict[str, Any]:
    return asdict(check) | {"verdict": check.verdict}


def _document(one: Release) -> dict[str, Any]:
    """For programs."""
    flat = asdict(one)
    return flat.pop("snapshot") | flat | {"gate": [_check(check) for check in one.gate]}


def _line(one: Release, is_live: bool) -> dict[str, Any]:
    verdicts = [check.verdict for check in one.gate]
    told = ", ".join(
        f"{verdicts.count(word)} {word}" for word in ("passed", "FAILED", "not judged") if word in verdicts
    )
    how = f"{one.command} of {one.again}" if one.again else one.command
    return {
        "release": str(one.number) + (" live" if is_live else ""),
        "encoder": one.snapshot.encoder,
        "version": one.snapshot.embedding_version,
        "tracks": one.snapshot.tracks,
        "published": f"{one.published_at:%Y-%m-%d %H:%M}",
        "by": how,
        "gate": told,
        "forced": one.reason or "",
    }
