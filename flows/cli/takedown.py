"""`tonelake takedown`."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.jobs import run_job
from flows.cli.old_names import old_names
from flows.cli.output import log, print_json
from flows.console.atomic_file import write_atomically
from schemas.errors import UserError
from schemas.redaction import replace_controls

if TYPE_CHECKING:
    from schemas.takedowns import Receipt

app = typer.Typer()


@app.command()
def takedown(
    context: typer.Context,
    tracks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TRACK_ID...", help="Ids, their beginnings or paths. Leave out to finish a killed takedown."
        ),
    ] = None,
    content: Annotated[bool, typer.Option("--content", help="Refuse the same bytes under any other id, too.")] = False,
    retire: Annotated[
        bool, typer.Option("--retire", help="Drop earlier releases instead of rebuilding each.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why; stored with the takedown.")] = None,
    receipt: Annotated[Path | None, typer.Option(help="File for the receipt (default: ./takedown-RUN.json)")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Erase tracks from every table, release, index and export, and write a receipt."""
    from flows.operations.takedown import TakedownRequest, resolve_tracks, take_down

    _require_writable(receipt)
    settings = context.obj.settings
    track_ids = resolve_tracks(tracks, settings, log) if tracks else ()
    if track_ids and not yes:
        _confirm(len(track_ids))
    request = TakedownRequest(track_ids, content, retire, reason)
    written = run_job("takedown", lambda: take_down(request, settings, log), asdict(request), settings)
    path = receipt or Path(f"takedown-{written.run_id}.json")
    with write_atomically(path) as temporary:
        temporary.write_text(json.dumps(written.to_json(), indent=1, default=str) + "\n")
    if context.obj.json:
        print_json(written.to_json())
    else:
        _print_receipt(written)
        print(f"receipt: {path}")
    raise typer.Exit(0 if written.is_clean else 1)


for old_name in old_names("takedown"):
    app.command(old_name, hidden=True)(takedown)


def _print_receipt(receipt: "Receipt") -> None:
    rows = sum(table.rows for table in receipt.tables)
    files = sum(len(table.files) for table in receipt.tables)
    print(f"{len(receipt.tracks):,} tracks: removed {rows:,} rows of {len(receipt.tables)} tables and {files:,} files")
    releases = ", ".join(str(rebuilt.release) for rebuilt in receipt.releases)
    print(f"rebuilt or dropped releases: {releases or 'none, because no release contained the tracks'}")
    remaining = f"{receipt.rows_left} rows and {len(receipt.files_left)} files are left"
    print(f"checked {receipt.versions_examined} table versions: {remaining}")
    for export in receipt.exports:
        print(replace_controls(f"{export.uri}: {export.state}, {export.message}"))


def _require_writable(receipt: Path | None) -> None:
    """Raise UserError if the receipt cannot be written, before anything is removed."""
    if receipt and receipt.exists():
        raise UserError(f"{receipt} exists: name another file for the receipt")
    folder = receipt.parent if receipt else Path()
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UserError(f"cannot write a receipt into {folder.absolute()}: name a file with --receipt")


def _confirm(number: int) -> None:
    if not sys.stdin.isatty():
        raise UserError("this cannot be undone: add --yes")
    typer.confirm(f"Remove {number:,} tracks for good? This cannot be undone", abort=True, err=True)
