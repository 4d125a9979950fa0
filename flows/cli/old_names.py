"""Options and commands under their names of tonelake 0.1; they go with tonelake 0.3 (CHANGELOG.md)."""

OPTIONS = {
    "--allow-unproven": "--allow-unpinned",
    "--chunks": "--max-windows",
    "--mend": "--repair",
    "--share": "--conse-weight",
    "--windows": "--max-windows",
}
COMMANDS = {"forget": "takedown"}


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
