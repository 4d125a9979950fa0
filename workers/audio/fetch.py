"""Fetching a track's file from a local disk or object storage."""

import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import fsspec

from schemas.audio import UNREADABLE
from schemas.settings import S3Settings
from schemas.tracks import local_path, source_version
from workers.audio.verdicts import Rejected

IN_MEMORY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A seekable file, its hash, and the version of its source."""

    file: BinaryIO
    size: int
    source_version: str
    content_sha256: str


@contextmanager
def fetch(uri: str, s3: S3Settings) -> Iterator[FetchedFile]:
    """Open a local path, a file:// uri or an s3:// uri.

    Up to 64 MB are held in memory. Larger local files are read from their disk, larger objects from a temporary file.
    Raises Rejected if the file does not exist, is empty, or is local and may not be read. Any other error is that of
    the network, the store or the disk, not the track's, and is raised as it is.
    """
    files, path = _locate(uri, s3)
    is_local = not uri.startswith("s3://")
    # A store forbids access for many reasons that are not the track's: an expired key, a wrong clock.
    track_errors = (FileNotFoundError, PermissionError, IsADirectoryError) if is_local else (FileNotFoundError,)
    with _rejecting(*track_errors):
        info = files.info(path)
    size = info["size"]
    if not size:
        raise Rejected("empty", "no bytes")
    if size > IN_MEMORY_BYTES and not is_local:
        file = _download_to_temporary_file(files, path)
    else:
        with _rejecting(*track_errors):
            file = open(path, "rb") if size > IN_MEMORY_BYTES else io.BytesIO(files.cat_file(path))  # noqa: SIM115
    with file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        yield FetchedFile(file, size, source_version(info), digest)


def _locate(uri: str, s3: S3Settings) -> tuple[fsspec.AbstractFileSystem, str]:
    if uri.startswith("s3://"):
        return fsspec.filesystem("s3", **s3.fsspec_options()), uri
    return fsspec.filesystem("file"), local_path(uri)


@contextmanager
def _rejecting(*errors: type[OSError]) -> Iterator[None]:
    """Raise Rejected(UNREADABLE) in place of these errors."""
    try:
        yield
    except errors as error:
        raise Rejected(UNREADABLE, f"{type(error).__name__}: {error}") from error


def _download_to_temporary_file(files: fsspec.AbstractFileSystem, path: str) -> BinaryIO:
    """Download an object in one transfer; a seek costs no further request."""
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115 -- the caller closes it
    try:
        files.get_file(path, file.name, max_concurrency=1)  # the default of ten transfers holds 1 GB (measured)
    except BaseException:
        file.close()
        raise
    return file
