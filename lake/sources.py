"""What a source holds: a folder, a file, an s3 prefix or a manifest -> rows of the track registry."""

import logging
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
from botocore.exceptions import BotoCoreError

from lake.connect import require_reachable
from lake.manifest import MANIFEST_SUFFIXES, FileInfos, read_manifest
from schemas.audio import AUDIO_SUFFIXES
from schemas.errors import UserError
from schemas.settings import S3Settings
from schemas.tracks import TRACKS, local_path, source_version, track_id

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listing:
    """`tracks` has the columns of TRACKS, one row a track, sorted by track_id; `skipped` counts other files."""

    tracks: pa.Table
    skipped: int


def list_sources(sources: list[str], s3: S3Settings) -> Listing:
    """Everything the sources hold. A track named twice is one row; UserError where a source cannot be read."""
    now = datetime.now(UTC)
    rows: dict[str, dict[str, Any]] = {}
    skipped = 0
    for source in sources:
        root = source.rstrip("/") if source.startswith("s3://") else _absolute(source)
        files = _file_system(root, s3)
        if root.endswith(MANIFEST_SUFFIXES):
            found = read_manifest(root, files, lambda uri: _file_system(uri, s3))
            others = 0
        else:
            found, others = _list_audio(root, files)
        skipped += others
        for row in found:
            _add(rows, row)
    if not rows:
        raise UserError(f"nothing to index in {', '.join(sources)}: no audio file, {skipped} others")
    columns = [rows[name] | {"state": "active", "last_seen": now, "added_at": now} for name in sorted(rows)]
    return Listing(pa.Table.from_pylist(columns, schema=TRACKS), skipped)


def refreshed(tracks: pa.Table, s3: S3Settings) -> pa.Table:
    """Registry rows with size and source_version as they are now."""
    infos = FileInfos(lambda uri: _file_system(uri, s3))
    rows = [row | infos.of(local_path(row["uri"])) for row in tracks.to_pylist()]
    return pa.Table.from_pylist(rows, schema=TRACKS)


def _absolute(source: str) -> str:
    if "://" in source and not source.startswith("file://"):
        raise UserError(f"cannot read {source}: a source is a folder, a file, an s3:// prefix or a manifest")
    return str(Path(local_path(source)).expanduser().absolute())


def _add(rows: dict[str, dict[str, Any]], row: dict[str, Any]) -> None:
    """A track named by two sources is one row, with what either says of it; two files of one id are an error."""
    known = rows.setdefault(row["track_id"], row)
    if known["uri"] != row["uri"]:
        raise UserError(f"{known['uri']} and {row['uri']} have one track_id, {row['track_id']}: make ids unique")
    known.update((name, value) for name, value in row.items() if value is not None)


def _file_system(uri: str, s3: S3Settings) -> fsspec.AbstractFileSystem:
    if uri.startswith("s3://"):
        require_reachable(s3)
        return fsspec.filesystem("s3", **s3.fsspec_options())
    return fsspec.filesystem("file")


def _list_audio(root: str, files: fsspec.AbstractFileSystem) -> tuple[list[dict[str, Any]], int]:
    try:
        if files.isfile(root):
            root, infos = posixpath.dirname(root), iter([(root, files.info(root))])
        elif root.startswith("s3://"):
            infos = ((f"s3://{name}", info) for name, info in files.find(root, detail=True).items())
        elif files.isdir(root):
            infos = _walk(root, files)
        else:
            raise UserError(f"no such source: {root}")
        rows, skipped = [], 0
        for uri, info in infos:
            name = posixpath.basename(uri)
            if info is None or name.startswith(".") or not name.lower().endswith(AUDIO_SUFFIXES):
                skipped += 1
                continue
            rows.append(_row(root, uri, info))
    except PermissionError as error:
        raise UserError(f"cannot read the source {root}: {error}; check its permissions and keys") from error
    except FileNotFoundError as error:
        raise UserError(f"no such source: {root} ({error})") from error
    except BotoCoreError as error:
        raise UserError(f"cannot read the source {root}: {error}; check the AWS_* variables") from error
    return rows, skipped


def _walk(root: str, files: fsspec.AbstractFileSystem) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Every file below a local folder, links followed, each folder once; None for a link to nothing."""
    seen = {os.path.realpath(root)}
    for folder, below, names in os.walk(root, followlinks=True, onerror=_not_listed):
        real = {name: os.path.realpath(os.path.join(folder, name)) for name in below}
        below[:] = sorted(name for name in below if real[name] not in seen)
        seen.update(real.values())
        for name in names:
            path = os.path.join(folder, name)
            try:
                yield path, files.info(path)
            except OSError as error:
                log.warning("skipped: %s", error)
                yield path, None


def _not_listed(error: OSError) -> None:
    raise UserError(f"cannot list {error.filename}: {error.strerror}; its tracks would be missing without a word")


def _row(root: str, uri: str, info: dict[str, Any]) -> dict[str, Any]:
    try:
        uri.encode()
    except UnicodeEncodeError:  # a name that is not UTF-8 travels percent-encoded
        uri_text = Path(uri).as_uri()
    else:
        uri_text = uri
    return {
        "track_id": track_id(root, uri.removeprefix(root).lstrip("/")),
        "source": root,
        "uri": uri_text,
        "source_version": source_version(info),
        "size": info["size"],
    }
