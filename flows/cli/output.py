"""What every command has: the global options, and how it answers people and programs."""

import json
import logging
import sys
from dataclasses import dataclass
from typing import Any

from schemas.errors import UserError
from schemas.redaction import escaped, for_person
from schemas.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The global options."""

    settings: Settings
    json: bool


class _Redacting(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return for_person(super().format(record))


def log_to_stderr(level: int) -> None:
    """Whatever is logged, by us or by others, without secrets."""
    logging.basicConfig(stream=sys.stderr, level=level)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Redacting(logging.BASIC_FORMAT))
    for name in ("botocore", "aiobotocore"):  # they spell out every request, with its keys and signatures
        logging.getLogger(name).setLevel(logging.INFO)


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    print(escaped(json.dumps(document, ensure_ascii=False, allow_nan=False, default=str)))


def say(text: str) -> None:
    """A line for the person, beside the answer."""
    print(for_person(text), file=sys.stderr, flush=True)


def show_list(context: Context, title: str, rows: list[dict[str, Any]]) -> None:
    """Rows of the same columns, as a table or as JSON."""
    if context.json:
        print_json(rows)
        return
    from flows.console.tables import show

    columns = list(rows[0]) if rows else ["nothing"]
    show(title, columns, [list(row.values()) for row in rows])


def count(text: str, option: str) -> int | None:
    """The number that an option gives; None for all."""
    if text == "all":
        return None
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"{option} takes all or a number from 1, not {text!r}")
    return int(text)
