"""Filters of rows, as plain data, and the arguments of a scan that they become."""

from dataclasses import dataclass, field
from typing import Any

import lance
import pyarrow as pa
import pyarrow.compute as pc
from lance.dataset import serialize_row_addrs

from lake.storage.arrow import is_in
from lake.storage.filters import in_clause, string_literal, validate_filter

# Measured on 200,000 rows: a list in SQL of 100 ids takes milliseconds, one of 100,000 ids seconds. Row addresses take
# a few tenths of a second, most of it to read all ids.
_MAX_LISTED_IDS = 1000


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on rows.

    It joins a user's SQL, names in tag_names, excluded track ids, and conditions of our own. `only` and `unavailable`
    are any number of ids: the tracks that may pass, and those that may not.
    """

    where: str | None = None
    tags: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    unavailable: pa.ChunkedArray | None = field(default=None, compare=False, repr=False)
    only: pa.ChunkedArray | None = field(default=None, compare=False, repr=False)

    def sql(self) -> str | None:
        """Return all conditions joined by AND, or None; `only` and `unavailable` are none of them.

        Raises UserError if `where` is not one condition.
        """
        parts = [validate_filter(self.where)] if self.where else []
        parts += [f"array_has(tag_names, {string_literal(tag)})" for tag in self.tags]
        parts += self.conditions
        parts += [f"NOT ({in_clause('track_id', self.without)})"] if self.without else []
        return " AND ".join(parts) or None

    def scan(self, table: lance.LanceDataset) -> dict[str, Any]:
        """Return the arguments of a scan of the rows that pass. Raises UserError if `where` is not one condition."""
        condition, allowed, excluded = self.sql(), self.only, self.unavailable
        if allowed is not None and excluded is not None:
            allowed, excluded = allowed.filter(pc.invert(is_in(allowed, excluded))), None
        ids = excluded if allowed is None else allowed
        if ids is None or (allowed is None and not len(ids)):
            return {"filter": condition}
        if len(ids) <= _MAX_LISTED_IDS:
            clause = in_clause("track_id", ids.to_pylist())
            clause = f"NOT ({clause})" if allowed is None else clause
            return {"filter": f"{condition} AND {clause}" if condition else clause}
        rows = table.to_table(columns=["track_id"], with_row_id=True)
        addresses = serialize_row_addrs(rows["_rowid"].filter(is_in(rows["track_id"], ids)).to_pylist())
        return {"filter": condition, "row_addr_blocklist" if allowed is None else "row_addr_allowlist": addresses}


NO_FILTER = Filter()
