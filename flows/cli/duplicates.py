"""`tonelake duplicates`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import ReleaseNumber
from flows.cli.output import print_json, print_rows, shorten_ids

app = typer.Typer()


@app.command()
def duplicates(
    context: typer.Context,
    near: Annotated[bool, typer.Option("--near", help="Find encodes of one recording, too.")] = False,
    cosine: Annotated[
        float, typer.Option(help="With --near: least cosine of two vectors to compare their sound.")
    ] = 0.8,
    seconds: Annotated[float, typer.Option(help="With --near: greatest difference of two lengths.")] = 5.0,
    out: Annotated[Path | None, typer.Option(help="File to write the groups to: .csv or .parquet.")] = None,
    release: ReleaseNumber = None,
) -> None:
    """List tracks with equal bytes; with --near, other encodes of a recording, too. Deletes nothing."""
    from flows.search.duplicates import SCHEMA, DuplicatesRequest, find_duplicates, require_writable, write_groups

    request = DuplicatesRequest(near, cosine, seconds, release)
    if out is not None:
        require_writable(out)
    result = find_duplicates(request, context.obj.settings)
    if out is not None:
        write_groups(result.rows, out)
    if context.obj.json:
        print_json(result.to_json())
        return
    if out is None:
        columns = [name for name in SCHEMA.names if name != "content_sha256"]
        rows = [{name: getattr(row, name) for name in columns} for row in result.rows]
        title = f"duplicates of {result.encoder} {result.embedding_version}"
        print_rows(context.obj, title, shorten_ids(context.obj, rows))
    if result.unconfirmed:
        print_rows(
            context.obj, "not confirmed", shorten_ids(context.obj, [asdict(pair) for pair in result.unconfirmed])
        )
    print(result.summary + (f"; written to {out}" if out is not None else ""))
