"""The table `sources`: the registered sources, which `tonelake refresh` lists."""

from dataclasses import replace

import lance
import pyarrow as pa

from lake.storage.filters import string_literal
from lake.storage.lake import Lake, LeaseCheck, check_nothing
from schemas import clock
from schemas.errors import UserError
from schemas.sources import SOURCES, RegisteredSource

TABLE = "sources"


def registered_sources(lake: Lake) -> list[RegisteredSource]:
    """Return the rows of the table, sorted by name."""
    table = lake.find_table(TABLE)
    if table is None:
        return []
    return [RegisteredSource(**row) for row in table.to_table().sort_by("source").to_pylist()]


def register_sources(
    lake: Lake, track_counts: dict[str, int | None], check: LeaseCheck = check_nothing, *, listed: bool
) -> list[str]:
    """Register sources with their number of tracks; return the new ones.

    The number is None for a source that was not listed yet. Known sources are updated only if
    `listed`, which says that a refresh has listed all of them. The rows of the others are written as they are, so that
    a removal that runs beside fails.
    """
    known, now = {row.source: row for row in registered_sources(lake)}, clock.now()
    rows = []
    for name, tracks in track_counts.items():
        listed_at = now if tracks is not None else None
        row = RegisteredSource(name, now, listed_at, tracks)
        if name in known:
            row = replace(row, added_at=known[name].added_at) if listed else known[name]
        rows.append({column: getattr(row, column) for column in SOURCES.names})
    if rows:
        lake.upsert(TABLE, SOURCES, pa.Table.from_pylist(rows, schema=SOURCES), check)
    return [name for name in track_counts if name not in known]


def require_registered(lake: Lake, source: str) -> None:
    """Raise UserError if the source is not registered."""
    names = [row.source for row in registered_sources(lake)]
    if source not in names:
        raise UserError(f"{lake.uri} has no source {source}; its sources are: {', '.join(names) or 'none'}")


def remove_source(table: lance.LanceDataset, source: str, check: LeaseCheck = check_nothing) -> None:
    """Remove a source from the open table. Its tracks are not touched.

    Raises UserError if another run has written the source since the table was opened: its tracks may be active again.
    """
    check()
    try:
        table.delete(f"source = {string_literal(source)}", conflict_retries=0)
    except OSError as error:
        if "concurrent writers" not in str(error):
            raise
        raise UserError(f"another run has listed {source} meanwhile: run the same command again") from error
