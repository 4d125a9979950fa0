"""How commands answer: JSON or tables on standard output, log lines on standard error."""

import io
import json
import logging
import os
import select
import sys
from typing import Any

from flows.cli.options import Context
from schemas.redaction import escape_controls, sanitize


class _SanitizingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return sanitize(super().format(record))


def configure_logging(level: int) -> None:
    """Send every library's log records to standard error, without secrets."""
    logging.basicConfig(stream=sys.stderr, level=level)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_SanitizingFormatter(logging.BASIC_FORMAT))
    for name in ("botocore", "aiobotocore"):  # at DEBUG they log every request with its keys and signatures
        logging.getLogger(name).setLevel(logging.INFO)


def replace_unencodable() -> None:
    """Print characters that a stream's encoding lacks as "?", instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def has_reader() -> bool:
    """Tell whether somebody still reads standard output; nobody does after `| head -1`."""
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except OSError:  # no file, as in tests
        return True
    return not any(event & select.POLLERR for _, event in poll.poll(0))


def discard_output() -> None:
    """Send the rest of standard output nowhere: Python would complain about it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def log(text: str) -> None:
    """Print one line for the user on standard error."""
    print(sanitize(text), file=sys.stderr, flush=True)


def print_json(document: Any) -> None:
    """Print one JSON document on standard output. Characters that its encoding lacks are escaped, as JSON allows."""
    text = escape_controls(json.dumps(document, ensure_ascii=False, allow_nan=False, default=str))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(document, allow_nan=False, default=str)
    print(text)


def shorten_ids(context: Context, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table with short ids. In JSON ids are whole."""
    if context.json or not rows:
        return rows
    from lake.catalogue.track_names import short_ids
    from lake.storage.lake import Lake

    columns = [name for name in ("track_id", "other") if name in rows[0]]
    lake = Lake.at(context.settings.lake, context.settings.s3)
    short = short_ids(lake, [row[name] for row in rows for name in columns])
    return [row | {name: short[row[name]] for name in columns} for row in rows]


def print_rows(context: Context, title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows of the same columns, as a table or as JSON."""
    if context.json:
        print_json(rows)
        return
    from flows.console.tables import print_table

    columns = list(rows[0]) if rows else ["nothing"]
    print_table(title, columns, [list(row.values()) for row in rows])
