"""A lake: Lance tables under one URI, a local folder or an s3:// prefix."""

import posixpath
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import fsspec
import lance
import pyarrow as pa
from botocore.exceptions import BotoCoreError

from schemas.errors import UserError
from schemas.settings import S3Settings
from schemas.tables import key_of

OUT_OF_REACH = (OSError, BotoCoreError, UserError)  # a disk or a store that fails; s3fs lets the second through
STORAGE_VERSION = "2.1"  # of Lance's files: readers are upgraded before writers, never by surprise
# Lance's words for a version that the store or the disk withholds; the class of its error is that of a damaged one.
_WITHHELD = ("Generic S3 error", "necessary privileges", "valid authentication", "(os error")
_CORRUPT = ("corrupt file", "Invalid format", "decode Protobuf", "range was invalid")


def require_reachable(s3: S3Settings) -> None:
    """UserError at once where nothing answers at the endpoint: the patient retries are for a store that falters."""
    if not s3.endpoint_url:
        return
    endpoint = urlsplit(s3.endpoint_url)
    if endpoint.scheme in getproxies() and not proxy_bypass(endpoint.netloc):
        return  # only the proxy can tell
    try:
        port = endpoint.port or (443 if endpoint.scheme == "https" else 80)
        socket.create_connection((endpoint.hostname or "", port), timeout=5).close()
    except (OSError, ValueError) as error:
        told = f"no S3 store answers at {s3.endpoint_url} ({error})"
        raise UserError(f"{told}: check AWS_ENDPOINT_URL, and run the same command when it is back") from error


def file_system(uri: str, s3: S3Settings) -> fsspec.AbstractFileSystem:
    """The one that a local path or an s3:// address is on."""
    return fsspec.filesystem("s3", **s3.fsspec_options()) if uri.startswith("s3://") else fsspec.filesystem("file")


def _damage(uri: str, which: str) -> str:
    return f"the table {uri} is damaged: {which} cannot be read; `tonelake doctor` says what is left and what mends it"


@contextmanager
def every_version(table: lance.LanceDataset) -> Iterator[None]:
    """Damaged where what Lance does inside, which reads every version of the table, meets one that cannot be read."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if any(word in str(error) for word in _CORRUPT):
            raise Damaged(_damage(table.uri, "an older version")) from error
        raise


def one_part(name: str) -> str:
    """A name that a lake's table gives, for a path below the lake; UserError where it leads elsewhere."""
    if not name or "/" in name or name in (".", ".."):
        raise UserError(f"the lake names {name!r}, which is no place in it: tonelake never wrote that; leave it")
    return name


def what_to_check(error: PermissionError) -> str:
    """What a person does about a refusal; of keys that were signed by a wrong clock a store says so."""
    return "set this machine's clock" if "request time" in str(error) else "check its permissions and keys"


class Damaged(UserError):
    """A version of a table is there and cannot be read."""


@dataclass(frozen=True, slots=True)
class Lake:
    """Opens and creates the tables of one lake; holds no state but its address, and what it is pinned to."""

    uri: str
    s3: S3Settings
    pins: tuple[tuple[str, int], ...] = ()  # tables that are read as they were: name and Lance version

    @classmethod
    def at(cls, uri: str, s3: S3Settings) -> "Lake":
        """The lake at `uri`, a local path or s3://bucket/prefix; nothing is read or made yet."""
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
    def options(self) -> dict[str, str] | None:
        """Lance's storage options."""
        return self.s3.lance_options() if self.uri.startswith("s3://") else None

    def require_answer(self) -> None:
        """UserError at once where the lake's store is away: before one waits for it a second time."""
        if self.uri.startswith("s3://"):
            require_reachable(self.s3)

    def files(self) -> fsspec.AbstractFileSystem:
        """The file system that the lake is on."""
        return file_system(self.uri, self.s3)

    def names(self) -> set[str]:
        """Names of the tables there are."""
        try:
            entries = self.files().ls(self.uri, detail=False)
        except FileNotFoundError as error:
            if "bucket does not exist" in str(
                error
            ):  # the store's word for it; an empty prefix is only a lake to be made
                raise UserError(f"there is no bucket for {self.uri}: make it, or check --lake") from error
            return set()
        except PermissionError as error:
            raise UserError(f"cannot read the lake {self.uri}: {error}; {what_to_check(error)}") from error
        stems = (posixpath.splitext(posixpath.basename(entry.rstrip("/"))) for entry in entries)
        return {name for name, suffix in stems if suffix == ".lance"}

    def required_names(self) -> set[str]:
        """As `names`, for readers: UserError where there is no lake."""
        names = self.names()
        if "tracks" not in names:
            raise UserError(f"no lake at {self.uri}: run `tonelake index SOURCE` first, or name another with --lake")
        return names

    def uri_of(self, name: str) -> str:
        """Where the table `name` lies; plain LanceDB finds it there by that name."""
        return f"{self.uri}/{one_part(name)}.lance"

    def pinned(self, name: str, version: int) -> "Lake":
        """The same lake for readers, with one table as it was at a Lance version."""
        return replace(self, pins=(*self.pins, (name, version)))

    def table(self, name: str) -> lance.LanceDataset:
        """Opens a table that exists; Damaged where its newest version, or the one it is pinned to, cannot be read."""
        uri, version = self.uri_of(name), dict(self.pins).get(name)
        which = f"version {version}" if version else "the newest version"
        try:
            table = lance.dataset(uri, version=version, storage_options=self.options)
        except ValueError as error:
            if "not found" in str(error) and "Version not found" not in str(error):  # so it says of a file of zeros
                raise
            if any(word in str(error) for word in _WITHHELD):
                raise OSError(str(error)) from error
            raise Damaged(_damage(uri, which)) from error
        except BaseException as error:
            if type(error).__name__ == "PanicException":  # Lance trusts the lengths that a manifest tells
                raise Damaged(_damage(uri, which)) from error
            raise
        if not table.schema.names:  # what Lance makes of a file of zeros, as power cuts leave them: an empty table
            raise Damaged(_damage(uri, which))
        return table

    def ensure(self, name: str, schema: pa.Schema) -> lance.LanceDataset:
        """Opens a table, made empty first where there is none."""
        try:
            return self.table(name)
        except ValueError as error:  # also of a folder that a killed run left without a version
            if "not found" not in str(error):
                raise
            try:
                lance.write_dataset(
                    schema.empty_table(),
                    self.uri_of(name),
                    storage_options=self.options,
                    data_storage_version=STORAGE_VERSION,
                )
            except OSError as other:
                if "already exists" not in str(other):
                    raise
        return self.table(name)

    def upsert(self, name: str, schema: pa.Schema, rows: pa.Table) -> lance.LanceDataset:
        """Writes whole rows by the key of the table, which is made where there is none; gives the table back."""
        table = self.ensure(name, schema)
        merge = table.merge_insert(key_of(schema)).when_matched_update_all().when_not_matched_insert_all()
        merge.execute(rows)
        return table
