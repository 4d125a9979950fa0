"""Tables on standard output, for people."""

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.redaction import replace_controls

ID_COLUMNS = frozenset({"track_id", "other"})
PIPE_WIDTH = 200  # columns in a pipe or a file, where rich would otherwise fold everything to 80


def print_table(title: str, columns: list[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table on standard output. Numbers are aligned right; they and ids are never folded, to be copied."""
    table = Table(header_style="bold")
    for index, column in enumerate(columns):
        is_numeric = all(_is_number(row[index]) for row in rows)
        is_whole = is_numeric or column in ID_COLUMNS
        table.add_column(column, justify="right" if is_numeric else "left", overflow="fold", no_wrap=is_whole)
    for row in rows:
        table.add_row(*[Text(_cell(value)) for value in row])  # `Text`: rich would read a title as markup
    console = _Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(replace_controls(title), style="bold", highlight=False, markup=False)
    console.print(table)


class _Console(Console):
    """A console that leaves a closed pipe to its caller; rich's exits with 1."""

    def on_broken_pipe(self) -> None:
        raise


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else replace_controls(str(value if value is not None else ""))
