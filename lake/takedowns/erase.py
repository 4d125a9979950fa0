"""Rows taken out of a table's files, not only out of sight: of its newest version and of those that releases name.

Deleting a row hides it: its bytes stay in the file, in older versions and in indexes. Here every file that holds it is
written anew without it, their indexes go, and all other versions go, with what only they name. Indexes are built anew
where people search: a vector index of 300,000 rows takes a minute, and there may be ten releases.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta

import lance
import pyarrow as pa
import pyarrow.compute as pc
from lance.file import LanceFileReader
from lance.fragment import write_fragments

from lake.embeddings.indexes import update_indexes
from lake.storage.filters import among
from lake.storage.lake import STORAGE_VERSION, Lake, every_version
from schemas.takedowns import Scrubbed

HEAD = "takedown-head"  # tags the newest version while older ones are rebuilt on top of it

Succeed = Callable[[int, lance.LanceDataset], None]


@dataclass(slots=True)
class Scrub:
    """Removes the rows whose `column` is one of `values`, from the table `name` of a lake that nobody else writes.

    With `hidden` also every row that a version leaves out, whose ever it was: its bytes are in a file still.
    """

    lake: Lake
    name: str
    column: str
    values: Collection[str]
    hidden: bool = False
    _rows: dict[str, int] = field(default_factory=dict)  # of each data file, how many of them it holds

    def remove(self, kept: Collection[int], live: int | None, succeed: Succeed) -> Scrubbed | None:
        """None where no version holds any. `kept` are the Lance versions that releases name; `live` is one of them.

        The newest version and `live` get their indexes anew; the others are searched without.

        `succeed` is called with each of these that held some, and with the table as what replaces it. Killed on its
        way the table is whole, but an older version may be its newest: call it again.
        """
        before = self._versions()
        held = {version: [*map(self._paths, self._holding(version))] for version in before}
        doomed = {version for version in before if held[version] or self._is_stale(version)}
        if not doomed:
            self._end()
            return None
        head = self._head()
        rows = self._table(head).count_rows(among(self.column, self.values))
        for version in sorted({*kept} & doomed - {head}):
            succeed(version, self._rebuilt(version, indexed=version == live))
        table = self._rebuilt(head, indexed=True)
        if head in kept:
            succeed(head, table)
        self._end()
        files = sorted({path for fragments in held.values() for paths in fragments for path in paths})
        return Scrubbed(self.lake.uri, self.name, rows, tuple(files), len(before), len(self._versions()))

    def left(self) -> tuple[int, int]:
        """How many versions there are, and how many such rows the files of all of them hold."""
        self._rows.clear()
        known = self._versions()
        for version in known:
            self._holding(version)
        return len(known), sum(self._rows.values())

    def _table(self, version: int | None = None) -> lance.LanceDataset:
        return (self.lake.pinned(self.name, version) if version else self.lake).table(self.name)

    def _versions(self) -> list[int]:
        with every_version(table := self._table()):
            return [version["version"] for version in table.versions()]

    def _holding(self, version: int) -> list[lance.LanceFragment]:
        """Fragments of a version whose files hold such a row, be it deleted there or not."""
        return [
            fragment
            for fragment in self._table(version).get_fragments()
            if self._rows_in(fragment) or (self.hidden and fragment.metadata.num_deletions)
        ]

    def _is_stale(self, version: int) -> bool:
        """Whether an index knows rows of a fragment that is gone: Lance drops one whose rows were all deleted."""
        table = self._table(version)
        there = {fragment.fragment_id for fragment in table.get_fragments()}
        return any({*part.fragment_ids} - there for index in table.describe_indices() for part in index.segments)

    def _paths(self, fragment: lance.LanceFragment) -> list[str]:
        return [f"{self.lake.uri_of(self.name)}/data/{file.path}" for file in fragment.metadata.files]

    def _rows_in(self, fragment: lance.LanceFragment) -> int:
        paths = self._paths(fragment)
        self._rows |= {path: self._rows_of(path) for path in paths if path not in self._rows}
        return sum(map(self._rows.__getitem__, paths))

    def _rows_of(self, path: str) -> int:
        """From the file itself, which has the rows that a version leaves out too."""
        if self.column not in LanceFileReader(path, self.lake.options).metadata().schema.names:
            return 0  # columns that were written anew lie in a file of their own, beside the one with the key
        keys = LanceFileReader(path, self.lake.options, columns=[self.column]).read_all().to_table()[self.column]
        return pc.sum(pc.is_in(keys, pa.array(list(self.values), pa.string()))).as_py() or 0

    def _head(self) -> int:
        """The version that is to be the newest, also after a kill."""
        table = self._table()
        tagged = table.tags.list().get(HEAD)
        if tagged:
            return tagged["version"]
        table.tags.create(HEAD, table.version)
        return table.version

    def _rebuilt(self, version: int, *, indexed: bool) -> lance.LanceDataset:
        """Makes a version the newest again, without the rows and with new indexes, or with none."""
        if version != self._table().version:
            self._table(version).restore()
        table, holding = self._table(), self._holding(self._table().version)
        if holding:
            there = among(self.column, self.values)
            rows = table.scanner(filter=f"NOT ({there})", fragments=holding).to_reader()
            written = write_fragments(rows, table, schema=table.schema, data_storage_version=STORAGE_VERSION)
            removed = [fragment.fragment_id for fragment in holding]
            change = lance.LanceOperation.Update(removed_fragment_ids=removed, new_fragments=written)
            table = lance.LanceDataset.commit(table, change, read_version=table.version)
        for index in table.describe_indices():
            table.drop_index(index.name)
        if indexed:
            update_indexes(self._table(), self.name)
        return self._table()

    def _end(self) -> None:
        """Drops every version that neither a tag nor the table itself needs, and every file that no version names."""
        table = self._table()
        if HEAD in table.tags.list():
            table.tags.delete(HEAD)
        table.cleanup_old_versions(timedelta(0), delete_unverified=True, error_if_tagged_old_versions=False)
