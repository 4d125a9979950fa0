"""The sources that a lake remembers, for `tonelake refresh`."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lake.storage.filters import quoted
from lake.storage.lake import Lake
from schemas.errors import UserError
from schemas.sources import SOURCES

TABLE = "sources"


def remembered(lake: Lake) -> list[dict[str, Any]]:
    """Rows of `sources`, by name."""
    if TABLE not in lake.names():
        return []
    return lake.table(TABLE).to_table().sort_by("source").to_pylist()


def remember_sources(lake: Lake, found: dict[str, int | None], *, listed: bool) -> list[str]:
    """Writes sources down, with the tracks each was found to hold; returns those that were not known.

    Known ones are written again only where `listed` says that a refresh went by all of them.
    """
    known, now = {row["source"]: row for row in remembered(lake)}, datetime.now(UTC)
    rows = [
        {"source": name, "added_at": known[name]["added_at"] if name in known else now}
        | {"last_listed_at": now if tracks is not None else None, "tracks": tracks}
        for name, tracks in found.items()
        if listed or name not in known
    ]
    if rows:
        lake.upsert(TABLE, SOURCES, pa.Table.from_pylist(rows, schema=SOURCES))
    return [name for name in found if name not in known]


def require_remembered(lake: Lake, source: str) -> None:
    """UserError where the lake does not remember it."""
    names = [row["source"] for row in remembered(lake)]
    if source not in names:
        raise UserError(f"{lake.uri} remembers no source {source}; it remembers {', '.join(names) or 'none'}")


def forget_source(lake: Lake, source: str) -> None:
    """A source is listed no more; its tracks are another matter."""
    lake.table(TABLE).delete(f"source = {quoted(source)}")
