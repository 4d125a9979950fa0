"""Filters of rows, as plain data, and the arguments of a scan that they become."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import lance
import pyarrow as pa
import pyarrow.compute as pc
from lance.dataset import serialize_row_addrs

from lake.storage.arrow import is_in
from lake.storage.filters import in_clause, string_literal, validate_filter

# Measured on 200,000 rows: a list in SQL of 100 ids takes milliseconds, one of 100,000 ids seconds. Row addresses take
# a few tenths of a second, most of it to read all ids. Once they are known, a search that leaves out 1,000 of 100,000
# tracks takes 8 ms of CPU with them and 14 with a list.
_MAX_LISTED_IDS = 1000


class _Rows:
    """Rows of a table, looked up once a table version. Threads may share it."""

    def __init__(self) -> None:
        self._addresses: dict[tuple[str, int], bytes] = {}

    def is_located(self, table: lance.LanceDataset) -> bool:
        """Tell whether the rows were looked up before.

        Then their addresses are faster than a list of ids.
        """
        return (table.uri, table.version) in self._addresses

    def addresses(self, table: lance.LanceDataset) -> bytes:
        """Return the addresses of the rows, as Lance serialises them. Raises ValueError if their SQL is not valid."""
        key = (table.uri, table.version)
        if key not in self._addresses:
            self._addresses[key] = serialize_row_addrs(self._find(table).to_pylist())
        return self._addresses[key]

    def _find(self, table: lance.LanceDataset) -> pa.ChunkedArray:
        """Return the row ids."""
        raise NotImplementedError


class TrackSet(_Rows):
    """Any number of track ids, and where their rows are in a table.

    The rows are looked up once a table version, because that reads all ids of the table. Threads may share it.
    """

    def __init__(self, ids: pa.ChunkedArray) -> None:
        super().__init__()
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    def without(self, others: "TrackSet") -> "TrackSet":
        """Return the tracks that are not among `others`."""
        return TrackSet(self.ids.filter(pc.invert(is_in(self.ids, others.ids))))

    def common(self, others: "TrackSet") -> "TrackSet":
        """Return the tracks that are among `others` too."""
        return TrackSet(self.ids.filter(is_in(self.ids, others.ids)))

    def _find(self, table: lance.LanceDataset) -> pa.ChunkedArray:
        rows = table.to_table(columns=["track_id"], with_row_id=True)
        return rows["_rowid"].filter(is_in(rows["track_id"], self.ids))


class PassingRows(_Rows):
    """The rows that pass a filter, found once a table version.

    A search that is given their addresses takes as long as one without a filter, whatever the filter costs. Threads
    may share it.
    """

    def __init__(self, condition: "Filter") -> None:
        super().__init__()
        self._condition = condition

    def _find(self, table: lance.LanceDataset) -> pa.ChunkedArray:
        rows = table.scanner(columns=[], with_row_id=True, **self._condition.scan(table)).to_table()
        return rows["_rowid"]


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on rows.

    It joins a user's SQL, names in tag_names, excluded track ids, and conditions of our own. Of `only` and
    `unavailable` the first are the tracks that may pass, the second those that may not. `rows` stand for the SQL,
    the tags and the tracks that may not pass: what is added to them narrows them.
    """

    where: str | None = None
    tags: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    unavailable: TrackSet | None = field(default=None, compare=False, repr=False)
    only: TrackSet | None = field(default=None, compare=False, repr=False)
    rows: PassingRows | None = field(default=None, compare=False, repr=False)

    def narrow(self, *conditions: str, without: Sequence[str] = ()) -> "Filter":
        """Return the filter with further conditions, and further excluded track ids."""
        return replace(self, conditions=(*self.conditions, *conditions), without=(*self.without, *without))

    def among(self, tracks: TrackSet) -> "Filter":
        """Return the filter that lets only these tracks pass."""
        return replace(self, only=tracks if self.only is None else self.only.common(tracks))

    def has_conditions(self) -> bool:
        """Tell whether it has more than tracks that may not pass."""
        return self.sql() is not None or self.only is not None

    def keep_rows(self) -> "Filter":
        """Return the same filter for several searches: the first one finds the rows that pass."""
        return Filter(tags=self.tags, unavailable=self.unavailable, rows=PassingRows(self))

    def sql(self) -> str | None:
        """Return all conditions joined by AND, or None.

        `only`, `unavailable` and `rows` are none of them. Raises UserError if `where` is not one condition.
        """
        parts = [validate_filter(self.where)] if self.where else []
        if self.rows is None:
            parts += [f"array_has(tag_names, {string_literal(tag)})" for tag in self.tags]
        parts += self.conditions
        parts += [f"NOT ({in_clause('track_id', self.without)})"] if self.without else []
        return " AND ".join(parts) or None

    def scan(self, table: lance.LanceDataset) -> dict[str, Any]:
        """Return the arguments of a scan of the rows that pass. Raises UserError if `where` is not one condition."""
        condition, allowed, excluded = self.sql(), self.only, self.unavailable
        if self.rows is not None:
            clause = None if allowed is None else in_clause("track_id", allowed.ids.to_pylist())
            joined = " AND ".join(part for part in (condition, clause) if part)
            return {"filter": joined or None, "row_addr_allowlist": self.rows.addresses(table)}
        if allowed is not None and excluded is not None:
            allowed, excluded = allowed.without(excluded), None
        tracks = excluded if allowed is None else allowed
        if tracks is None or (allowed is None and not len(tracks)):
            return {"filter": condition}
        if len(tracks) <= _MAX_LISTED_IDS and not tracks.is_located(table):
            clause = in_clause("track_id", tracks.ids.to_pylist())
            clause = f"NOT ({clause})" if allowed is None else clause
            return {"filter": f"{condition} AND {clause}" if condition else clause}
        name = "row_addr_blocklist" if allowed is None else "row_addr_allowlist"
        return {"filter": condition, name: tracks.addresses(table)}


NO_FILTER = Filter()
