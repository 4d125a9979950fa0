"""Tracks: their ids, the versions of their files, and the registry's columns."""

import hashlib
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import pyarrow as pa

from schemas.rights import RIGHTS_COLUMNS
from schemas.tables import key

# A source_version from object storage: equal files have equal ones. "W/..." is not one, nor is size-mtime.
ETAG = r"^[0-9A-Fa-f]{32,}(-[0-9]+)?$"
MISSING = "missing"  # the source_version of a file that a manifest names and that does not exist
METADATA_COLUMNS = ("title", "artist", "album", "genres", "year", "isrc", *RIGHTS_COLUMNS, "extra")

TRACKS = pa.schema(
    [
        key("track_id"),
        pa.field("source", pa.string()),
        pa.field("uri", pa.string()),
        pa.field("source_version", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("state", pa.string()),  # active, vanished, removed
        pa.field("last_seen", pa.timestamp("us", tz="UTC")),  # active: written when the row changes
        pa.field("title", pa.string()),
        pa.field("artist", pa.string()),
        pa.field("album", pa.string()),
        pa.field("genres", pa.list_(pa.string())),
        pa.field("year", pa.int32()),
        pa.field("isrc", pa.string()),
        pa.field("available_from", pa.string()),  # of the rights null: never named; "": named once, and lifted
        pa.field("available_to", pa.string()),
        pa.field("extra", pa.string()),  # JSON of the manifest's other columns
        pa.field("added_at", pa.timestamp("us", tz="UTC")),
        pa.field("territories", pa.list_(pa.string())),  # codes of schemas.rights; null or none: everywhere
    ]
)


@dataclass(frozen=True, slots=True)
class TrackToEmbed:
    """The columns of a registry row that embedding its file reads."""

    track_id: str
    uri: str
    source_version: str
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    genres: list[str] | None = None
    year: int | None = None

    @classmethod
    def from_table(cls, tracks: pa.Table) -> "list[TrackToEmbed]":
        """Return a record for each registry row."""
        return [cls(**row) for row in tracks.select([field.name for field in fields(cls)]).to_pylist()]


def track_id(source: str, path: str) -> str:
    """Return the first 32 hex digits of sha256(source + "/" + path).

    The name is normalised to Unicode's NFC, because file systems store é differently. The source is the absolute
    folder or s3 prefix, so that a file has the same id whichever of its parent folders was given.
    """
    name = unicodedata.normalize("NFC", f"{source.rstrip('/')}/{path}")
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def local_path(uri: str) -> str:
    """Return the path of a file:// uri, decoded from percent-encoding; any other uri unchanged."""
    return os.fsdecode(unquote_to_bytes(urlsplit(uri).path)) if uri.startswith("file://") else uri


def source_version(info: Mapping[str, Any]) -> str:
    """Return a file's version from fsspec's `info`: its ETag, or size and modification time."""
    etag = info.get("ETag")
    return etag.strip('"') if etag else f"{info['size']}-{info['mtime']:.6f}"
