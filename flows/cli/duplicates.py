"""`tonelake duplicates`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.output import print_json

app = typer.Typer()


@app.command()
def duplicates(
    context: typer.Context,
    near: Annotated[bool, typer.Option("--near", help="Also one recording in several encodes.")] = False,
    cosine: Annotated[float, typer.Option(help="With --near: vectors at least so near are compared by sound.")] = 0.8,
    seconds: Annotated[float, typer.Option(help="With --near: lengths may differ by so much.")] = 5.0,
    out: Annotated[Path | None, typer.Option(help="File for the groups: .csv or .parquet.")] = None,
    release: Annotated[int | None, typer.Option(min=1, help="Look into this release; else what is live.")] = None,
) -> None:
    """Tracks that are the same: equal bytes, with --near other encodes too. Deletes nothing."""
    from flows.search.duplicates import DuplicatesRequest, check_out, write
    from flows.search.duplicates import duplicates as find

    request = DuplicatesRequest(near, cosine, seconds, release)
    if out is not None:
        check_out(out)
    found = find(request, context.obj.settings)
    if out is not None:
        write(found.rows, out)
    if context.obj.json:
        print_json(asdict(found))
        return
    from flows.console.tables import show

    shown = [[value for name, value in row.items() if name != "content_sha256"] for row in found.rows]
    columns = [name for name in found.rows[0] if name != "content_sha256"] if found.rows else ["nothing"]
    if out is None:
        show(f"duplicates of {found.encoder} {found.embedding_version}", columns, shown)
    if found.unconfirmed:
        show("not confirmed", list(found.unconfirmed[0]), [list(row.values()) for row in found.unconfirmed])
    print(found.line + (f"; written to {out}" if out is not None else ""))
