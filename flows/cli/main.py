"""The command `tonelake`. Commands import what they need when they run, so that `--help` is instant."""

import logging
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from flows.cli import (
    benchmarks,
    check,
    describe,
    duplicates,
    export,
    index,
    mcp,
    old_names,
    operations,
    playlist,
    recommend,
    refresh,
    releases,
    search,
    serve,
    tags,
    takedown,
    training,
)
from flows.cli.options import GLOBAL_PANEL, GlobalOptions
from flows.cli.output import discard_output, print_rows, replace_unencodable
from flows.cli.parser import Group, store_options, usage_line, use_parser
from flows.console.error_messages import error_message
from schemas.errors import UserError
from schemas.redaction import sanitize
from schemas.settings import S3Settings

INTERRUPTED = 130  # typer's answer to Ctrl-C, and what a shell makes of the signal

_global_option = partial(typer.Option, rich_help_panel=GLOBAL_PANEL)

app = typer.Typer(
    help="Turn a music catalogue into a searchable, versioned lake of embeddings and tags.",
    cls=Group,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (
    index,
    check,
    describe,
    search,
    serve,
    mcp,
    playlist,
    tags,
    operations,
    refresh,
    releases,
    export,
    recommend,
    duplicates,
    benchmarks,
    training,
    takedown,
    old_names,
):
    app.add_typer(group.app)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; print any error as one line, without a traceback.

    `arguments` are those of the process if None; without any, the help is printed. docs/commands.md lists the exit
    codes.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop is an interrupt: commit, then end
    replace_unencodable()
    given = old_names.current_options(sys.argv[1:] if arguments is None else list(arguments))
    try:
        code = app(given or ["--help"], prog_name="tonelake", standalone_mode=False) or 0
    except UserError as error:
        _fail(str(error), 2)
    except typer.Abort:
        _fail("not confirmed: nothing was done", 1)
    except Exception as error:
        if message := usage_line(error):
            _fail(message, 2)
        _explain(error)
    if code == INTERRUPTED:
        _fail("interrupted: what was committed is kept", INTERRUPTED)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        code = 0
    sys.exit(code)


def _explain(error: Exception) -> NoReturn:
    """Print the error; exit with 2 if the user can solve it, else with 1.

    Users can solve errors of disks, stores and paths. For the others, -v prints the traceback.
    """
    if message := error_message(error, S3Settings().endpoint_url):
        _fail(message, 2)
    if isinstance(error, (PermissionError, NotADirectoryError, FileExistsError, FileNotFoundError)):
        _fail(f"{error}; check the path and its permissions", 2)
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        _fail(traceback.format_exc(), 1)
    first_line = str(error).splitlines()[0] if str(error) else ""
    _fail(f"{type(error).__name__}: {first_line} (tonelake -v shows where)", 1)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    lake: Annotated[
        str | None, _global_option("--lake", help="Folder or s3://bucket/prefix (env: TONELAKE_LAKE)")
    ] = None,
    encoder: Annotated[
        str | None,
        _global_option(
            "--encoder",
            help="Name of an encoder or folder of a trained one; index takes a,b (env: TONELAKE_ENCODER)",
        ),
    ] = None,
    allow_unpinned: Annotated[
        bool, _global_option("--allow-unpinned", help="Allow encoders whose weights are not pinned.")
    ] = False,
    as_json: Annotated[bool, _global_option("--json", help="Print one JSON document on standard output.")] = False,
    verbose: Annotated[bool, _global_option("-v", help="Log more on standard error.")] = False,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Put the global options before the command or after it."""
    if show_version:
        print(version("tonelake"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        context.fail("Missing command.")
    store_options(context, GlobalOptions(lake, encoder, allow_unpinned, as_json, verbose))


@app.command()
def encoders(context: typer.Context) -> None:
    """List the encoders that tonelake can compute with."""
    from workers.encoders.registry import describe_encoders

    print_rows(context.obj, "encoders", [encoder.to_json() for encoder in describe_encoders()])


def _fail(message: str, code: int) -> NoReturn:
    with suppress(BrokenPipeError):  # `2>&1 | head -1`
        print(f"tonelake: {sanitize(message)}", file=sys.stderr)
    sys.exit(code)


use_parser(app)


if __name__ == "__main__":
    main()
