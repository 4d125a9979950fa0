"""The option parser of every command.

Global options stand in any place, no option of one value is taken twice, and wrong usage is one line.
"""

import logging
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperCommand, TyperGroup

from flows.cli.encoder_names import require_known_encoders
from flows.cli.options import GLOBAL_PANEL, Context, GlobalOptions
from flows.cli.output import configure_logging, discard_output, has_reader
from schemas.errors import UserError
from schemas.names import did_you_mean
from schemas.settings import S3Settings, Settings


def use_parser(app: typer.Typer) -> None:
    """Give every command and group of an app the classes of this module.

    Commands that are added later do not get them.
    """
    for command in app.registered_commands:
        command.cls = Command
    for group in app.registered_groups:
        group.cls = Group
        if group.typer_instance:
            use_parser(group.typer_instance)


class _Parser:
    """What commands and groups parse in the same way.

    `ctx` is typer's context: typer exports no type that its methods have.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the command's own parameters, and the global options of other names."""
        parameters = super().get_params(ctx)  # type: ignore[misc]
        names = {parameter.name for parameter in parameters}
        return [*parameters, *(option for option in _global_options(ctx) if option.name not in names)]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; the innermost command gets its Context as `ctx.obj`.

        Raises UserError if an option that takes one value is given twice.
        """
        _, rest, order = self.make_parser(ctx).parse_args(args=list(args))  # type: ignore[attr-defined]
        for option, count in Counter(order).items():
            if count > 1 and option.param_type_name == "option" and not (option.multiple or option.is_flag):
                raise _given_twice(option)
        try:
            remaining: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        except SystemExit as end:  # rich's, when nobody reads the help to its end
            raise typer.Exit from end
        if ctx.parent is not None:
            self._take_global_options(ctx)
            if not (rest and isinstance(self, TyperGroup)):
                ctx.obj = make_context(ctx.meta[__name__])
        return remaining

    def invoke(self, ctx: Any) -> Any:
        """Run the command. If nobody reads its output any more (`| head -1`), end it without an error."""
        try:
            return super().invoke(ctx)  # type: ignore[misc]
        except BrokenPipeError as error:
            if has_reader():
                raise OSError(str(error)) from error  # typer would end without a word
            discard_output()
            raise typer.Exit from error

    def _take_global_options(self, ctx: Any) -> None:
        """Add the global options that were given after the command to those before it."""
        options: GlobalOptions = ctx.meta[__name__]
        own_names = {parameter.name for parameter in self.params}  # type: ignore[attr-defined]
        for option in _global_options(ctx):
            is_typed = ctx.get_parameter_source(option.name).name == "COMMANDLINE"
            if is_typed and getattr(options, option.name) and not option.is_flag:
                raise _given_twice(option)
            if option.name not in own_names:
                value = ctx.params.pop(option.name)
                if is_typed:
                    options = replace(options, **{option.name: value})
        ctx.meta[__name__] = options


class Command(_Parser, TyperCommand):
    """A command that takes the global options after its name, too."""


class Group(_Parser, TyperGroup):
    """A group of commands that takes the global options after its name, too."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command of a name. Raises UserError with the nearest names if there is none."""
        if args[0] not in self.commands:
            visible = [name for name, command in self.commands.items() if not command.hidden]
            hint = did_you_mean(args[0], visible)
            raise UserError(f"no command is named {args[0]!r}; {hint}`{ctx.command_path} --help` lists them")
        return super().resolve_command(ctx, args)


def store_options(context: typer.Context, options: GlobalOptions) -> None:
    """Keep the global options that stand before the command for the command to complete."""
    context.meta[__name__] = options


def make_context(options: GlobalOptions) -> Context:
    """Return what a command gets: settings from the options, else from the environment. Set the level of the log.

    Raises UserError if a setting is wrong or if an encoder does not exist.
    """
    configure_logging(logging.DEBUG if options.verbose else logging.WARNING)
    try:
        settings = Settings.from_options(
            lake=options.lake, encoder=options.encoder, allow_unpinned=options.allow_unpinned
        )
    except ValidationError as error:
        raise UserError(_describe_wrong_settings(error, options)) from error
    require_known_encoders(settings)
    return Context(settings, options.as_json)


def _describe_wrong_settings(error: ValidationError, options: GlobalOptions) -> str:
    """Say which options and variables are wrong, and what is nearest in a list."""
    prefix = "AWS_" if error.title == S3Settings.__name__ else "TONELAKE_"
    problems = []
    for problem in error.errors():
        name = str(problem["loc"][0])
        text = problem["msg"].removeprefix("Value error, ")
        if getattr(options, name, None):
            name = f"--{name.replace('_', '-')}"
        elif not name.isupper():  # else it is a variable already
            name = f"{prefix}{name.upper()}"
        if problem["type"] == "literal_error":
            choices = re.findall(r"'(.+?)'", problem["ctx"]["expected"])
            hint = did_you_mean(str(problem["input"]), choices)
            text = f"there is no {problem['input']!r}; {hint}there are {', '.join(choices)}"
        problems.append(f"{name}: {text}")
    return f"a setting is wrong: {'; '.join(problems)}"


def usage_line(error: Exception) -> str | None:
    """Return an error of typer's parser as one line; None for other errors.

    The line says what is wrong, what is nearest, and where help is.
    """
    if not hasattr(error, "format_message"):  # typer exports no base class of its errors
        return None
    context = getattr(error, "ctx", None)
    message = " ".join(error.format_message().split()).rstrip(".")
    if context is None:
        return message
    if hasattr(error, "possibilities"):
        options = [name for option in context.command.get_params(context) if not option.hidden for name in option.opts]
        message = f"no option is named {error.option_name}; {did_you_mean(error.option_name, options)}".strip("; ")
    elif message == "Missing command":
        message = f"{context.command_path} needs a command"
        if context.parent is not None:
            message += f": {', '.join(context.command.commands)}"
    elif "extra argument" in message:
        message += ": put words that belong together in quotes"
    separator = "" if message.endswith("?") else ";"
    return f"{message[0].lower()}{message[1:]}{separator} `{context.command_path} --help` shows how"


def _global_options(ctx: Any) -> list[Any]:
    """Return the options that a command shares with the program; none for the program itself."""
    if ctx.parent is None:
        return []
    return [option for option in ctx.find_root().command.params if option.rich_help_panel == GLOBAL_PANEL]


def _given_twice(option: Any) -> UserError:
    return UserError(f"{option.opts[0]} takes one value and is given twice: give it once")
