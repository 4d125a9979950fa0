"""`tonelake export`, `exports` and `similar`: the lake as files for other systems."""

from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from flows.cli.jobs import run_job
from flows.cli.options import EmbeddingVersion, ReleaseNumber
from flows.cli.output import log, print_json, print_rows

app = typer.Typer()


@app.command()
def export(
    context: typer.Context,
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A new folder or s3://bucket/prefix.")],
    release: ReleaseNumber = None,
    since: Annotated[int | None, typer.Option(min=1, help="Export only what changed since this release.")] = None,
    form: Annotated[str, typer.Option("--format", help="parquet, npy, lance, faiss or hnsw.")] = "parquet",
    embedding_version: EmbeddingVersion = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace another export in this folder.")] = False,
) -> None:
    """Write vectors, tags and metadata of a release as files, with a manifest."""
    from flows.export.export import ExportRequest, write_export

    request = ExportRequest(folder, release, since, form, embedding_version)
    settings, options = context.obj.settings, asdict(request) | {"replace": replace}
    result = run_job("export", lambda: write_export(request, settings, log, replaces=replace), options, settings)
    if context.obj.json:
        print_json(result)
        return
    name = f"release {result['release']}" if result["release"] else "no release"
    summary = f"{name} ({result['encoder']['name']} {result['embedding_version']}), {result['tracks']:,} tracks"
    if result["since"]:
        summary += f" that changed since release {result['since']}, {result['removed']:,} removed"
    if result["done"]:
        print(f"{summary}: {result['folder']}")
    else:
        print(f"nothing to do: {result['folder']} holds {summary}")


@app.command()
def exports(context: typer.Context) -> None:
    """List the exports of the lake, and where they are."""
    from lake.export.log import list_exports
    from lake.storage.lake import Lake

    settings = context.obj.settings
    lake = Lake.at(settings.lake, settings.s3)
    lake.require_table_names()
    rows = [export.row() for export in list_exports(lake)]
    columns = ("uri", "format", "release", "since", "encoder", "embedding_version", "tracks", "host")
    if not context.obj.json:
        rows = [{name: row[name] for name in columns} | {"at": f"{row['at']:%Y-%m-%d %H:%M}"} for row in rows]
    print_rows(context.obj, f"exports of {lake.uri}", rows)


@app.command()
def similar(
    context: typer.Context,
    out: Annotated[str, typer.Option(help="Parquet file, local or s3://.")],
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="Number of neighbours of each track.")] = 100,
    release: ReleaseNumber = None,
    embedding_version: EmbeddingVersion = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace other neighbours in this file.")] = False,
) -> None:
    """Write the k nearest other tracks of every track: exact search, on Ray."""
    from flows.export.neighbours import NeighboursRequest, write_neighbours

    settings, request = context.obj.settings, NeighboursRequest(out, k, release, embedding_version)
    job = partial(write_neighbours, request, settings, log, replaces=replace)
    result = run_job("similar", job, asdict(request), settings)
    if context.obj.json:
        print_json(result)
        return
    summary = f"the {result['k']} nearest of {result['tracks']:,} tracks"
    if result["done"]:
        print(f"{summary}: {result['file']}")
    else:
        print(f"nothing to do: {result['file']} holds {summary}")
