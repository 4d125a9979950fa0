"""The bytes of a track, from a local disk or object storage, hashed on the way."""

import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import fsspec

from schemas.settings import S3Settings
from schemas.tracks import local_path, source_version
from workers.audio.verdicts import Rejected

IN_MEMORY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """A seekable file, and the version of the source that it was read from."""

    file: BinaryIO
    size: int
    source_version: str
    content_sha256: str


@contextmanager
def fetch(uri: str, s3: S3Settings) -> Iterator[Fetched]:
    """Opens a local path, file:// or s3:// uri. Files over 64 MB are read from disk, large objects by way of it.

    Rejected where there is no such file, no permission on a local one, or no byte in it. Any other error is the
    network's, the store's or the disk's, not the track's, and is left to the caller.
    """
    files, path = _locate(uri, s3)
    local = not uri.startswith("s3://")
    # A store forbids for many reasons that are not the track's: a key that ran out, a clock that is wrong.
    with _unreadable(FileNotFoundError, *((PermissionError, IsADirectoryError) if local else ())):
        info = files.info(path)
    size = info["size"]
    if not size:
        raise Rejected("empty", "no bytes")
    if size > IN_MEMORY_BYTES and not local:
        file = _spooled(files, path)
    else:
        with _unreadable(FileNotFoundError, *((PermissionError, IsADirectoryError) if local else ())):
            file = open(path, "rb") if size > IN_MEMORY_BYTES else io.BytesIO(files.cat_file(path))  # noqa: SIM115
    with file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        yield Fetched(file, size, source_version(info), digest)


def _locate(uri: str, s3: S3Settings) -> tuple[fsspec.AbstractFileSystem, str]:
    if uri.startswith("s3://"):
        return fsspec.filesystem("s3", **s3.fsspec_options()), uri
    return fsspec.filesystem("file"), local_path(uri)


@contextmanager
def _unreadable(*errors: type[OSError]) -> Iterator[None]:
    try:
        yield
    except errors as error:
        raise Rejected("unreadable", f"{type(error).__name__}: {error}") from error


def _spooled(files: fsspec.AbstractFileSystem, path: str) -> BinaryIO:
    """An object as a temporary file: one transfer, whatever is read of it and how often."""
    spool = tempfile.NamedTemporaryFile()  # noqa: SIM115 -- the caller closes it
    try:
        files.get_file(path, spool.name, max_concurrency=1)  # the usual ten at once hold 1 GB (measured)
    except BaseException:
        spool.close()
        raise
    return spool
