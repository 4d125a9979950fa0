"""A lake: Lance tables under one URI, a local folder or an s3:// prefix."""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import fsspec
import lance
import pyarrow as pa
from botocore.exceptions import BotoCoreError

from lake.storage.corruption import CorruptTableError, damage_message, is_panic
from lake.storage.format import FORMAT, format_of, marker_name
from lake.storage.held_tables import HeldTables
from lake.storage.store import open_file_system, permission_hint, require_reachable
from schemas.errors import UserError
from schemas.settings import S3Settings
from schemas.tables import key_column

STORAGE_ERRORS = (OSError, BotoCoreError, UserError)  # a disk or a store fails; s3fs lets botocore's errors through
STORAGE_VERSION: Final = "2.1"  # of Lance's files, pinned: readers are upgraded before writers
INDEX_CACHE_BYTES, METADATA_CACHE_BYTES = 1 << 30, 128 << 20  # at most, for one command
# Lance raises one class of error for a damaged version and for a store or disk that fails; these mark the second.
_TRANSIENT_ERRORS = ("Generic S3 error", "necessary privileges", "valid authentication", "(os error")


def validate_name(name: str) -> str:
    """Return a name that is safe as one part of a path below the lake.

    Raises UserError if it would lead elsewhere: names come from tables that others may have written.
    """
    if not name or "/" in name or name in (".", ".."):
        raise UserError(
            f"the lake contains the name {name!r}, which leads out of it: tonelake did not write that; leave it alone"
        )
    return name


def without_index(merge: Any) -> Any:
    """Return a merge that scans the keys instead of their index.

    Measured with Lance 14: if two runs insert one key at once, a merge by an index does not notice, and the key is
    there twice. Only writers that hold the table's lease may merge by its index.
    """
    return merge.use_index(False)


LeaseCheck = Callable[[], None]  # called between the opening of a table and the commit


def check_nothing() -> None:
    """Check no lease: the table has none."""


def _open_session() -> Any:  # Lance's stubs do not show the class
    return lance.Session(  # type: ignore[attr-defined]
        index_cache_size_bytes=INDEX_CACHE_BYTES, metadata_cache_size_bytes=METADATA_CACHE_BYTES
    )


@dataclass(frozen=True, slots=True)
class Lake:
    """The address of a lake, which opens and creates its tables.

    `pins` are (table, Lance version) pairs: these tables are read as they were at that version.
    """

    uri: str
    s3: S3Settings
    pins: tuple[tuple[str, int], ...] = ()
    # Lance's cache of manifests, footers and indexes of all tables. Such files never change; the newest version of a
    # table is looked up each time.
    _session: Any = field(default_factory=_open_session, repr=False, compare=False)
    _finished: set[str] = field(default_factory=set, repr=False, compare=False)  # names of tables that have a version
    _held: HeldTables | None = field(default=None, repr=False, compare=False)

    @classmethod
    def at(cls, uri: str, s3: S3Settings) -> "Lake":
        """Return the lake at `uri`, a local path or s3://bucket/prefix; nothing is read or created.

        Raises UserError if `uri` is a file or another kind of address, or if the S3 endpoint does not answer.
        """
        if "://" not in uri:
            uri = str(Path(uri).expanduser().absolute())
            if Path(uri).is_file():
                raise UserError(f"{uri} is a file: a lake is a folder or s3://bucket/prefix")
        else:
            if not uri.startswith("s3://"):
                raise UserError(f"cannot keep a lake at {uri}: use a local path or s3://bucket/prefix")
            require_reachable(s3)
        return cls(uri.rstrip("/"), s3)

    @property
    def storage_options(self) -> dict[str, str] | None:
        """Lance's storage options; None for a local lake."""
        return self.s3.lance_options() if self.uri.startswith("s3://") else None

    def require_store(self) -> None:
        """Check that the lake's S3 store answers. Raises UserError at once if it does not."""
        if self.uri.startswith("s3://"):
            require_reachable(self.s3)

    def file_system(self) -> fsspec.AbstractFileSystem:
        """Return the file system of the lake."""
        return open_file_system(self.uri, self.s3)

    def table_names(self) -> set[str]:
        """Return the names of the tables. Raises UserError if a newer tonelake wrote the lake.

        A folder without a version is no table: a run was killed while it made it.
        """
        names = self.folder_names()
        self._finished.update(name for name in names - self._finished if self.has_version(name))
        return names & self._finished

    def folder_names(self) -> set[str]:
        """Return the names of the tables' folders, unfinished ones too."""
        entries = self._entries()
        format_of(entries)
        stems = (posixpath.splitext(posixpath.basename(entry.rstrip("/"))) for entry in entries)
        return {name for name, suffix in stems if suffix == ".lance"}

    def format(self) -> int | None:
        """Return the format number, None if there is no table yet. Raises UserError if it is too new."""
        return format_of(self._entries())

    def require_known_format(self) -> None:
        """Let readers in that list no tables. Raises UserError if a newer tonelake wrote the lake."""
        self.format()

    def require_current_format(self) -> None:
        """Let writers in; a new lake gets its format number.

        Raises UserError if the format is an older one.
        """
        number = self.format()
        if number is None:
            self.write_format()
        elif number < FORMAT:
            raise UserError(
                f"{self.uri} was written by an earlier tonelake (format {number}): it can be read; stop every older "
                "tonelake, then run `tonelake maintain` once to upgrade it (docs/upgrading.md)"
            )

    def write_format(self) -> None:
        """Write the current format number; a migration does this last."""
        files = self.file_system()
        files.makedirs(self.uri, exist_ok=True)
        files.pipe_file(f"{self.uri}/{marker_name(FORMAT)}", b"")

    def _entries(self) -> list[str]:
        """Return the paths in the lake's folder; none if there is no such folder."""
        try:
            return list(self.file_system().ls(self.uri, detail=False))
        except FileNotFoundError as error:
            if "bucket does not exist" in str(error):  # the store's words; an empty prefix is a lake to be made
                raise UserError(f"there is no bucket for {self.uri}: make it, or check --lake") from error
            return []
        except PermissionError as error:
            raise UserError(f"cannot read the lake {self.uri}: {error}; {permission_hint(error)}") from error

    def require_table_names(self) -> set[str]:
        """Return the names of the tables. Raises UserError if there is no lake."""
        names = self.table_names()
        if "tracks" not in names:
            raise UserError(f"no lake at {self.uri}: run `tonelake index SOURCE` first, or name another with --lake")
        return names

    def table_uri(self, name: str) -> str:
        """Return the address of the table `name`; plain LanceDB finds it there by that name."""
        return f"{self.uri}/{validate_name(name)}.lance"

    def has_version(self, name: str) -> bool:
        """Tell whether the table has a version."""
        try:
            files = self.file_system().ls(f"{self.table_uri(name)}/_versions", detail=False)
        except FileNotFoundError:
            return False
        return any(file.endswith(".manifest") for file in files)

    def remove_table(self, name: str) -> None:
        """Remove a table with all its files."""
        self.file_system().rm(self.table_uri(name), recursive=True)
        self._finished.discard(name)  # some stores keep the empty folder

    def pin(self, name: str, version: int) -> "Lake":
        """Return the same lake for readers, with one table fixed at a Lance version."""
        return replace(self, pins=(*self.pins, (name, version)))

    def hold(self) -> "Lake":
        """Return the same lake for readers that ask often.

        A table is opened once, and stays as it was then.
        """
        return replace(self, _held=HeldTables())

    def reopen(self) -> "Lake":
        """Return a held lake with every table as it is now.

        It is itself if no table has changed.
        """
        if self._held is None or (current := self._held.current(self.newest_version)) is self._held:
            return self
        return replace(self, _held=current)

    def table(self, name: str) -> lance.LanceDataset:
        """Open an existing table at its newest version, or at its pinned one.

        Raises CorruptTableError if that version cannot be read, ValueError ("not found") if there is no table.
        """
        if self._held is None:
            return self._open(name)
        if (table := self.find_table(name)) is None:
            raise ValueError(f"the table {name} was not found in {self.uri}")
        return table

    def find_table(self, name: str) -> lance.LanceDataset | None:
        """Open a table like `table`; None if there is none. No listing of the lake is needed."""
        if self._held is not None:
            return self._held.find(name, dict(self.pins).get(name), lambda: self._find(name))
        return self._find(name)

    def newest_version(self, name: str) -> int | None:
        """Return the newest version of a table, held or not. None: there is no table."""
        table = replace(self, pins=())._find(name)
        return table.version if table is not None else None

    def _find(self, name: str) -> lance.LanceDataset | None:
        try:
            return self._open(name)
        except ValueError as error:  # also for a folder without a version, which a killed run leaves
            if "not found" not in str(error):
                raise
            return None

    def _open(self, name: str) -> lance.LanceDataset:
        uri, version = self.table_uri(name), dict(self.pins).get(name)
        damage = damage_message(uri, f"version {version}" if version else "the newest version")
        try:
            table = lance.dataset(uri, version=version, storage_options=self.storage_options, session=self._session)
        except ValueError as error:
            # Lance says "Version not found" of a manifest of zeros: such a table is damaged, not missing.
            if "not found" in str(error) and "Version not found" not in str(error):
                raise
            if any(word in str(error) for word in _TRANSIENT_ERRORS):
                raise OSError(str(error)) from error
            raise CorruptTableError(damage) from error
        except BaseException as error:
            if is_panic(error):  # Lance trusts the lengths in a manifest
                raise CorruptTableError(damage) from error
            raise
        if not table.schema.names:  # Lance opens a file of zeros, as power cuts leave them, as an empty table
            raise CorruptTableError(damage)
        self._finished.add(name)
        return table

    def open_or_create(self, name: str, schema: pa.Schema) -> lance.LanceDataset:
        """Open a table; create it empty first if there is none.

        Columns that an earlier tonelake did not know are added; they are null in its rows.
        """
        if (table := self.find_table(name)) is not None:
            if missing := [field for field in schema if field.name not in table.schema.names]:
                table.add_columns(pa.schema(missing))
            return table
        try:
            lance.write_dataset(
                schema.empty_table(),
                self.table_uri(name),
                storage_options=self.storage_options,
                data_storage_version=STORAGE_VERSION,
            )
        except OSError as error:  # another run may have created it meanwhile
            if "already exists" not in str(error):
                raise
        return self.table(name)

    def upsert(
        self, name: str, schema: pa.Schema, rows: pa.Table, check: LeaseCheck = check_nothing
    ) -> lance.LanceDataset:
        """Insert rows, or replace those of the same key. Return the table; it is created if there is none."""
        table = self.open_or_create(name, schema)
        check()
        merge = table.merge_insert(key_column(schema)).when_matched_update_all().when_not_matched_insert_all()
        without_index(merge).execute(rows)
        return table
