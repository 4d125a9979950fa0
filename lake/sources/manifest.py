"""Manifests, .csv, .jsonl or .parquet: lines of `uri`, track_id and metadata -> registry rows."""

import csv
import io
import json
import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any

import fsspec
import pyarrow.parquet as pq

from lake.sources.path_policy import PathPolicy
from schemas.errors import UserError
from schemas.tracks import MISSING, local_path, source_version, track_id

MANIFEST_SUFFIXES = (".csv", ".jsonl", ".parquet")
_TEXT_COLUMNS = ("title", "artist", "album", "isrc", "available_from", "available_to")
FileInfo = tuple[str, int | None]  # source_version and size
MISSING_FILE: FileInfo = (MISSING, None)
_KNOWN_COLUMNS = {"uri", "track_id", "genres", "year", *_TEXT_COLUMNS}


def read_manifest(
    uri: str,
    files: fsspec.AbstractFileSystem,
    file_system: Callable[[str], fsspec.AbstractFileSystem],
    allowed: tuple[str, ...],
) -> Iterator[dict[str, Any]]:
    """Yield a registry row for each line of a manifest.

    Relative uris start at the manifest's folder. A file that does not exist has a row too: it will be quarantined as
    unreadable, never dropped. Raises UserError if the manifest is broken or names a track_id twice, NotAllowed if it
    names a file that is neither below its folder nor in `allowed`.
    """
    policy, seen = PathPolicy(uri, allowed), set()
    infos = FileInfoCache(file_system)
    for number, line in enumerate(_full_lines(uri, files), start=1):
        try:
            row = _row(uri, policy, number, line)
        except (TypeError, AttributeError) as error:
            raise UserError(f"{uri}: line {number} has a value of the wrong kind: {error}") from error
        if row["track_id"] in seen:
            raise UserError(f"{uri}: line {number} names track_id {row['track_id']} a second time; make ids unique")
        seen.add(row["track_id"])
        yield row | infos.look_up(row["uri"])


def _full_lines(uri: str, files: fsspec.AbstractFileSystem) -> Iterator[dict[str, Any]]:
    """Yield every line that has a value. Raises UserError if the manifest cannot be read."""
    number = 0
    try:
        with files.open(uri, "rb") as file:
            for line in _lines(uri, file):
                if any(line.values()):
                    number += 1
                    yield line
    except FileNotFoundError as error:
        raise UserError(f"no such manifest: {uri}") from error
    except (ValueError, csv.Error) as error:
        line_number = "" if uri.endswith(".parquet") else f", line {number + 1}"
        raise UserError(
            f"cannot read the manifest {uri}{line_number}: {error}; was it cut? Nothing of it was used"
        ) from error


def _lines(uri: str, file: Any) -> Iterator[dict[str, Any]]:
    if uri.endswith(".parquet"):
        for batch in pq.ParquetFile(file).iter_batches():
            yield from batch.to_pylist()
    elif uri.endswith(".jsonl"):
        for line in io.TextIOWrapper(file, "utf-8"):
            if line.strip():
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError(f"expected one JSON object a line, not {line.strip()[:60]}")
                yield row
    else:
        for row in csv.DictReader(io.TextIOWrapper(file, "utf-8-sig", newline=""), strict=True):
            if None in row.values():  # a cut line would name another file, or none
                count = sum(value is not None for value in row.values())
                raise ValueError(f"{count} of {len(row)} columns have a value")
            yield row


def _row(manifest: str, policy: PathPolicy, number: int, line: dict[str, Any]) -> dict[str, Any]:
    named = line.get("uri") or ""
    if not named:
        raise UserError(f"{manifest}: line {number} has no uri; every line needs the column uri")
    uri = _absolute(posixpath.dirname(manifest), local_path(named))
    policy.require(f"{manifest}: line {number}", named, uri)
    named_id = "" if line.get("track_id") is None else str(line["track_id"])
    return {
        "track_id": named_id or track_id(posixpath.dirname(uri), posixpath.basename(uri)),
        "uri": uri,
        "genres": _genres(line.get("genres")),
        "year": _year(line.get("year")),
        "extra": _extra(line),
        **{column: str(line[column]) if line.get(column) else None for column in _TEXT_COLUMNS},
    }


def _absolute(folder: str, name: str) -> str:
    if "://" in name or name.startswith("/"):
        return name
    uri = posixpath.normpath(posixpath.join(folder, name))
    if uri.startswith("s3:/") and not uri.startswith("s3://"):  # normpath folds the slashes
        uri = uri.replace("s3:/", "s3://", 1)
    return uri


def _genres(value: Any) -> list[str] | None:
    names = re.split(r"[;|]", value) if isinstance(value, str) else list(value or [])
    return [name.strip() for name in names if name and name.strip()] or None


def _year(value: object) -> int | None:
    match = re.match(r"\s*(\d{4})", str(value or ""))
    return int(match[1]) if match else None


def _extra(line: dict[str, Any]) -> str | None:
    others = {name: value for name, value in line.items() if name and name not in _KNOWN_COLUMNS}
    others = {name: value for name, value in others.items() if value not in (None, "")}
    return json.dumps(others, ensure_ascii=False, default=str) if others else None


class FileInfoCache:
    """Versions and sizes of files, read by one listing a folder.

    One request a file would take hours in object storage.
    """

    def __init__(self, file_system: Callable[[str], fsspec.AbstractFileSystem]) -> None:
        self._file_system = file_system
        self._folders: dict[str, dict[str, FileInfo] | None] = {}

    def look_up(self, uri: str) -> dict[str, Any]:
        """Return the columns `source_version` and `size`: "missing" and None if there is no file."""
        folder, name = posixpath.split(uri)
        if folder not in self._folders:
            self._folders[folder] = self._list(folder)
        infos = self._folders[folder]
        version, size = self._fetch_info(uri) if infos is None else infos.get(name, MISSING_FILE)
        return {"source_version": version, "size": size}

    def _list(self, folder: str) -> dict[str, FileInfo] | None:
        """List a folder; return None if that is not allowed. Reading its files may be."""
        try:
            entries = self._file_system(folder).ls(folder, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except PermissionError:
            return None
        return {
            posixpath.basename(entry["name"]): self._fetch_info(entry["name"]) if entry.get("islink") else _info(entry)
            for entry in entries
            if entry.get("type") != "directory"
        }

    def _fetch_info(self, uri: str) -> FileInfo:
        try:
            return _info(self._file_system(uri).info(uri))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return MISSING_FILE


def _info(entry: dict[str, Any]) -> FileInfo:
    """Keep two values of fsspec's info. Folders of a million files have to fit in memory."""
    return source_version(entry), entry["size"]
