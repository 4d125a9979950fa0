"""Manifests, .csv, .jsonl or .parquet: lines of `uri`, track_id and metadata -> registry rows."""

import posixpath
from collections.abc import Callable, Iterator
from typing import Any

import fsspec

from lake.sources.findings import ManifestFindings
from lake.sources.manifest_lines import read_lines
from lake.sources.manifest_values import WrongKindError, is_empty, parse_values
from lake.sources.path_policy import PathPolicy
from schemas.tracks import MISSING, local_path, source_version, track_id

FileInfo = tuple[str, int | None]  # source_version and size
MISSING_FILE: FileInfo = (MISSING, None)


def read_manifest(
    uri: str,
    files: fsspec.AbstractFileSystem,
    file_system: Callable[[str], fsspec.AbstractFileSystem],
    policy: PathPolicy,
    findings: ManifestFindings,
) -> Iterator[dict[str, Any]]:
    """Yield a registry row for each line of a manifest; collect the findings.

    Relative uris start at the manifest's folder. A file that does not exist has a row too: it will be quarantined as
    unreadable, never dropped. A line with a finding that stops a run has no row, and its file is not looked up. Raises
    UserError if there is no manifest.
    """
    infos, repeats = FileInfoCache(file_system), _Repeats(findings)
    lines = 0
    for line, values in read_lines(uri, files, findings):
        lines += 1
        row = _row(uri, policy, line, values, findings)
        if row is None or repeats.is_repeated(line, row, has_id=not is_empty(values.get("track_id"))):
            continue
        row |= infos.look_up(row["uri"])
        if row["source_version"] == MISSING:
            findings.add("missing_file", line, "uri", row["uri"], "no such file: it is quarantined as unreadable")
        yield row
    if not lines and not findings.stopping:
        findings.add("no_lines", None, None, None, "no line names a file")


def _row(
    manifest: str, policy: PathPolicy, line: int, values: dict[str, Any], findings: ManifestFindings
) -> dict[str, Any] | None:
    """Return the registry row of a line; None if a finding stops a run."""
    try:
        named = _uri(values.get("uri"))
        if not named:
            if not all(map(is_empty, values.values())):
                findings.add("no_uri", line, "uri", None, "no value: every line names a file")
            return None
        uri = _absolute(posixpath.dirname(manifest), local_path(named))
        if reason := policy.reason_to_refuse(named, uri):
            findings.add("not_allowed", line, "uri", named, reason)
            return None
        named_id = _track_id(values.get("track_id"))
        metadata = parse_values(line, values, findings)
    except WrongKindError as error:
        column, value, needed = error.args
        findings.add("wrong_kind", line, column, value, f"{needed} is needed")
        return None
    derived_id = named_id or track_id(posixpath.dirname(uri), posixpath.basename(uri))
    return {"track_id": derived_id, "uri": uri, **metadata}


def _uri(value: object) -> str:
    if is_empty(value):
        return ""
    if not isinstance(value, str):
        raise WrongKindError("uri", value, "a text")
    return value


def _track_id(value: object) -> str:
    if isinstance(value, list | dict):
        raise WrongKindError("track_id", value, "a text or a number")
    return "" if is_empty(value) else str(value)


class _Repeats:
    """Finds the lines that name a track or a file again. It holds hashes: a million names would take twice as much."""

    def __init__(self, findings: ManifestFindings) -> None:
        self._findings = findings
        self._line_of_id: dict[int, int] = {}
        self._line_of_uri: dict[int, int] = {}

    def is_repeated(self, line: int, row: dict[str, Any], *, has_id: bool) -> bool:
        """Tell whether an earlier line is the same track. That stops a run; the same file under another id warns."""
        first = self._line_of_id.setdefault(hash(row["track_id"]), line)
        if first != line:
            column = "track_id" if has_id else "uri"
            advice = "make ids unique" if has_id else "remove one of the lines, or give both a track_id"
            self._findings.add("repeated_track", line, column, row[column], f"line {first} has it too: {advice}")
            return True
        first = self._line_of_uri.setdefault(hash(row["uri"]), line)
        if first != line:
            understood = f"the file of line {first}, here as another track"
            self._findings.add("repeated_uri", line, "uri", row["uri"], understood)
        return False


def _absolute(folder: str, name: str) -> str:
    if "://" in name or name.startswith("/"):
        return name
    uri = posixpath.normpath(posixpath.join(folder, name))
    if uri.startswith("s3:/") and not uri.startswith("s3://"):  # normpath folds the slashes
        uri = uri.replace("s3:/", "s3://", 1)
    return uri


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
