"""Tables that stay open, for readers that ask many questions.

Opening a table costs milliseconds on a disk and more in a store; a question to an open one costs less than that.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import lance


@dataclass(frozen=True, slots=True)
class HeldTables:
    """Tables by name and pinned version; None stands for a table that does not exist. Threads may share it."""

    _tables: dict[tuple[str, int | None], lance.LanceDataset | None] = field(default_factory=dict)

    def find(
        self, name: str, version: int | None, open_table: Callable[[], lance.LanceDataset | None]
    ) -> lance.LanceDataset | None:
        """Return the table, opened at the first call only; None if there is none."""
        key = (name, version)
        if key not in self._tables:
            self._tables.setdefault(key, open_table())
        return self._tables[key]

    def current(self, find_newest: Callable[[str], int | None]) -> "HeldTables":
        """Return the tables that have not changed; itself if none has.

        `find_newest` returns the newest version of a table, None if there is no table. Pinned tables never change.
        """
        tables = list(self._tables.items())  # a copy: other threads may open a table meanwhile
        current = {
            (name, version): table
            for (name, version), table in tables
            if version is not None or (None if table is None else table.version) == find_newest(name)
        }
        return self if len(current) == len(tables) else HeldTables(current)
