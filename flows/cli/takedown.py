"""`tonelake forget`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.output import print_json, say
from flows.console.atomic_file import writing
from schemas.errors import UserError
from schemas.redaction import printable

app = typer.Typer()


@app.command()
def forget(
    context: typer.Context,
    tracks: Annotated[
        list[str] | None, typer.Argument(metavar="TRACK_ID...", help="None: finish one that was killed.")
    ] = None,
    content: Annotated[bool, typer.Option("--content", help="Refuse the same bytes under any id, too.")] = False,
    retire: Annotated[
        bool, typer.Option("--retire", help="Give up earlier releases instead of making each anew.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Kept with the takedown.")] = None,
    receipt: Annotated[Path | None, typer.Option(help="Where the receipt goes; else takedown-RUN.json here.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take tracks down: out of every table, version, release, index and export, for good; with a receipt."""
    from flows.operations.takedown import ForgetRequest
    from flows.operations.takedown import forget as run

    _require_free(receipt)
    if tracks and not yes:
        _confirm(len(tracks))
    done = run(ForgetRequest(tuple(tracks or ()), content, retire, reason), context.obj.settings, say)
    path = receipt or Path(f"takedown-{done.run_id}.json")
    with writing(path) as unfinished:
        unfinished.write_text(json.dumps(done.as_dict(), indent=1, default=str) + "\n")
    if context.obj.json:
        print_json(done.as_dict())
    else:
        rows, files = sum(table.rows for table in done.tables), sum(len(table.files) for table in done.tables)
        print(f"{len(done.tracks):,} tracks: {rows:,} rows of {len(done.tables)} tables and {files:,} files removed")
        numbers = ", ".join(str(one.release) for one in done.releases)
        print(f"releases made anew or given up: {numbers or 'none held them'}")
        left = f"{done.rows_left} rows and {len(done.files_left)} files are left"
        print(f"looked again into {done.versions_examined} versions: {left}")
        for one in done.exports:
            print(printable(f"{one.uri}: {one.state}, {one.message}"))
        print(f"receipt: {path}")
    raise typer.Exit(0 if done.is_clean else 1)


def _require_free(receipt: Path | None) -> None:
    """UserError where no receipt can be written: said before anything is removed."""
    if receipt and receipt.exists():
        raise UserError(f"{receipt} exists: name another file for the receipt")
    folder = receipt.parent if receipt else Path()
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UserError(f"cannot write a receipt into {folder.absolute()}: name a file with --receipt")


def _confirm(number: int) -> None:
    if not sys.stdin.isatty():
        raise UserError("this cannot be undone: add --yes")
    typer.confirm(f"Remove {number:,} tracks for good? This cannot be undone", abort=True, err=True)
