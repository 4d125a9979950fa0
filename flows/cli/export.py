"""`tonelake export`, `exports` and `similar`: the lake as files for others."""

from typing import Annotated

import typer

from flows.cli.output import print_json, say, show_list

app = typer.Typer()


@app.command()
def export(
    context: typer.Context,
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A new folder or s3://bucket/prefix.")],
    release: Annotated[int | None, typer.Option(min=1, help="Of this release; else of what is live.")] = None,
    since: Annotated[int | None, typer.Option(min=1, help="Only what changed since this earlier release.")] = None,
    form: Annotated[str, typer.Option("--format", help="parquet, npy, lance, faiss or hnsw.")] = "parquet",
    embedding_version: Annotated[str | None, typer.Option(help="Of this version, as it is now.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="In place of another export that is there.")] = False,
) -> None:
    """Write vectors, tags and metadata of a release as files, with a manifest."""
    from flows.export.export import ExportRequest
    from flows.export.export import export as run

    request = ExportRequest(folder, release, since, form, embedding_version)
    done = run(request, context.obj.settings, say, replaces=replace)
    if context.obj.json:
        print_json(done)
        return
    of = f"release {done['release']}" if done["release"] else "no release"
    what = f"{of} ({done['encoder']['name']} {done['embedding_version']}), {done['tracks']:,} tracks"
    what += f" that changed since release {done['since']}, {done['removed']:,} removed" if done["since"] else ""
    print(f"{what}: {done['folder']}" if done["done"] else f"nothing to do: {done['folder']} holds {what}")


@app.command()
def exports(context: typer.Context) -> None:
    """Every export that the lake knows of, and where it lies."""
    from lake.export.log import exports as read_exports
    from lake.storage.lake import Lake

    settings = context.obj.settings
    lake = Lake.at(settings.lake, settings.s3)
    lake.required_names()
    rows = [one.row() for one in read_exports(lake)]
    shown = ("uri", "format", "release", "since", "encoder", "embedding_version", "tracks", "host")
    people = [{name: row[name] for name in shown} | {"at": f"{row['at']:%Y-%m-%d %H:%M}"} for row in rows]
    show_list(context.obj, f"exports of {lake.uri}", rows if context.obj.json else people)


@app.command()
def similar(
    context: typer.Context,
    out: Annotated[str, typer.Option(help="Parquet file, local or s3://.")],
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="How many neighbours of each track.")] = 100,
    release: Annotated[int | None, typer.Option(min=1, help="Of this release; else of what is live.")] = None,
    embedding_version: Annotated[str | None, typer.Option(help="Of this version, as it is now.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="In place of other neighbours that are there.")] = False,
) -> None:
    """Write the k nearest other tracks of every track: exact, in blocks on Ray."""
    from flows.export.neighbours import Neighbours
    from flows.export.neighbours import similar as run

    done = run(Neighbours(out, k, release, embedding_version), context.obj.settings, say, replaces=replace)
    if context.obj.json:
        print_json(done)
        return
    what = f"the {done['k']} nearest of {done['tracks']:,} tracks"
    print(f"{what}: {done['file']}" if done["done"] else f"nothing to do: {done['file']} holds {what}")
