"""The command `tonelake`. Commands import what they need when they run, so that `--help` is instant."""

import logging
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from flows.cli import (
    benchmarks,
    duplicates,
    export,
    index,
    old_names,
    operations,
    recommend,
    refresh,
    releases,
    search,
    takedown,
    training,
)
from flows.cli.error_messages import error_message
from flows.cli.options import Context
from flows.cli.output import configure_logging, print_rows
from schemas.errors import UserError
from schemas.redaction import sanitize
from schemas.settings import S3Settings, Settings

app = typer.Typer(
    help="Turn a music catalogue into a searchable, versioned lake of embeddings and tags.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (
    index,
    search,
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

    `arguments` are those of the process if None. Exit codes: 0 done, 1 something is still pending or tonelake is at
    fault, 2 the user can put it right.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop is an interrupt: commit, then end
    try:
        app(old_names.current_options(sys.argv[1:] if arguments is None else list(arguments)))
    except UserError as error:
        _fail(str(error), 2)
    except Exception as error:
        _explain(error)


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
    lake: Annotated[str | None, typer.Option(help="Folder or s3://bucket/prefix (env: TONELAKE_LAKE)")] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="Name of an encoder or folder of a trained one; index takes a,b (env: TONELAKE_ENCODER)"),
    ] = None,
    allow_unpinned: Annotated[
        bool, typer.Option("--allow-unpinned", help="Allow encoders whose weights are not pinned.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
    verbose: Annotated[bool, typer.Option("-v", help="Log more on standard error.")] = False,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Put the global options before the command."""
    if show_version:
        print(version("tonelake"))
        raise typer.Exit
    configure_logging(logging.DEBUG if verbose else logging.WARNING)
    try:
        settings = Settings.from_options(lake=lake, encoder=encoder, allow_unpinned=allow_unpinned)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
        raise UserError(f"a setting is wrong: {'; '.join(problems)}") from error
    context.obj = Context(settings, as_json)


@app.command()
def encoders(context: typer.Context) -> None:
    """List the encoders that tonelake can compute with."""
    from workers.encoders.registry import describe_encoders

    print_rows(context.obj, "encoders", [encoder.to_json() for encoder in describe_encoders()])


def _fail(message: str, code: int) -> NoReturn:
    print(f"tonelake: {sanitize(message)}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
