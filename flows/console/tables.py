"""Tables for people: coverage, search results, encoders."""

import sys
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.ingest.report import IndexReport
from schemas.redaction import printable

CHANGES = ("new", "changed", "touched", "moved", "returned", "vanished", "described")  # that a refresh counts
_BILLED = ("core_seconds", "gpu_seconds")
BILL = {*_BILLED, "bytes_written", "money", "currency", "together"}  # what `bill_line` tells
WIDTH = 200  # into a pipe or a file: nothing is folded to 80 columns


def show(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """Prints a table on standard output; numbers to the right."""
    table = Table(header_style="bold")
    numeric = [
        all(isinstance(row[place], int | float) and not isinstance(row[place], bool) for row in rows)
        for place in range(len(columns))
    ]
    for column, right in zip(columns, numeric, strict=True):
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*[Text(_cell(value)) for value in row])  # a title may hold what rich takes for markup
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(printable(title), style="bold", highlight=False, markup=False)
    console.print(table)


def coverage_rows(counts: dict[str, Any]) -> list[list[Any]]:
    """expected = embedded + quarantined (each reason) + pending, as rows of name and number."""
    rows = [["expected", counts["expected"]], ["embedded", counts["embedded"]]]
    rows += [["quarantined", counts["quarantined"]]]
    rows += [[f"  {reason}", number] for reason, number in sorted(counts["reasons"].items())]
    return [*rows, ["pending", counts["pending"]]]


def coverage_markdown(report: IndexReport) -> str:
    """The coverage and the bill of a run, for Prefect's page."""
    counts = {name: getattr(report, name) for name in ("expected", "embedded", "quarantined", "pending", "reasons")}
    lines = [f"## {report.encoder} {report.embedding_version}, run {report.run_id}", "", "| tracks | |", "|---|---|"]
    lines += [f"| {name.strip()} | {number:,} |" for name, number in coverage_rows(counts)]
    lines += ["", f"{report.audio_seconds / 3600:.2f} h of audio in {report.wall_seconds:.0f} s: "]
    copied = f" {report.copied:,} copied from identical files." if report.copied else ""
    return "\n".join(lines) + f"{report.realtime_factor:.0f}x real time.{copied}\n\n" + bill_line(asdict(report))


def bill_line(told: dict[str, Any]) -> str:
    """What a run took or would take, in a line; seconds that are not known are left out."""
    parts = [f"{told[name]:,.0f} {name.replace('_', ' ')}" for name in _BILLED if told.get(name) is not None]
    parts += [f"{told['bytes_written'] / 1e6:,.1f} MB written"] if "bytes_written" in told else []
    untold = "money not told: set TONELAKE_PRICE_CORE_HOUR and TONELAKE_PRICE_GPU_HOUR"
    parts += [untold if told["money"] is None else f"{told['money']:,.2f} {told['currency']}"]
    together = told.get("together", ())
    return ", ".join(parts) + (f" (a share of {' and '.join(together)} together)" if len(together) > 1 else "")


def changes_markdown(report: dict[str, Any]) -> str:
    """What a refresh found, for Prefect's page."""
    lines = [f"{report['listed']:,} tracks in {len(report['sources'])} sources", "", "| tracks | |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {report[name]:,} |" for name in CHANGES])


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else printable(str(value if value is not None else ""))
