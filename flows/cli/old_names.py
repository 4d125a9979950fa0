"""Options and commands under their names of tonelake 0.1; they go with tonelake 0.3 (CHANGELOG.md)."""

import typer

from schemas.errors import UserError

app = typer.Typer()

OPTIONS = {
    "--allow-unproven": "--allow-unpinned",
    "--chunks": "--max-windows",
    "--mend": "--repair",
    "--share": "--conse-weight",
    "--windows": "--max-windows",
}
COMMANDS = {"forget": "takedown"}


@app.command(hidden=True, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def similar() -> None:
    """Use `tonelake export DIR --format neighbours` instead."""
    # It is not run in its place: who waits for a file must learn that there is a folder now.
    raise UserError(
        "`tonelake similar` is a format of export now, and writes a folder of Parquet files: "
        "tonelake export DIR --format neighbours -k 100"
    )


def current_options(arguments: list[str]) -> list[str]:
    """Return the command line with the current name of each option.

    Arguments after `--` are not options.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [*map(_current_option, arguments[:end]), *arguments[end:]]


def old_names(command: str) -> list[str]:
    """Return the hidden names of a command."""
    return [old for old, current in COMMANDS.items() if current == command]


def _current_option(argument: str) -> str:
    name, equals, value = argument.partition("=")
    return OPTIONS.get(name, name) + equals + value
