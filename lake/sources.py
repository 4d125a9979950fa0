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

from lake.connect import require_reachable
from lake.manifest import MANIFEST_SUFFIXES, read_manifest
from schemas.audio import AUDIO_SUFFIXES
from schemas.errors import UserError
from schemas.settings import S3Settings
from schemas.tracks import TRACKS, source_version, track_id

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
        root = source.rstrip("/") if "://" in source else str(Path(source).expanduser().absolute())
        files = _file_system(root, s3)
        if root.endswith(MANIFEST_SUFFIXES):
            found = read_manifest(root, files, lambda uri: _file_system(uri, s3))
            others = 0
        else:
            found, others = _list_audio(root, files)
        skipped += others
        rows.update((row["track_id"], row) for row in found)
    if not rows:
        raise UserError(f"nothing to index in {', '.join(sources)}: no audio file, {skipped} others")
    columns = [rows[name] | {"state": "active", "last_seen": now, "added_at": now} for name in sorted(rows)]
    return Listing(pa.Table.from_pylist(columns, schema=TRACKS), skipped)


def _file_system(uri: str, s3: S3Settings) -> fsspec.AbstractFileSystem:
    if uri.startswith("s3://"):
        require_reachable(s3)
        return fsspec.filesystem("s3", **s3.fsspec_options())
    if "://" in uri and not uri.startswith("file://"):
        raise UserError(f"cannot read {uri}: a source is a folder, a file, an s3:// prefix or a manifest")
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
            if name.startswith(".") or not name.lower().endswith(AUDIO_SUFFIXES):
                skipped += 1
                continue
            rows.append(_row(root, uri, info))
    except PermissionError as error:
        raise UserError(f"cannot read the source {root}: {error}; check its permissions and keys") from error
    except FileNotFoundError as error:
        raise UserError(f"no such source: {root} ({error})") from error
    return rows, skipped


def _walk(root: str, files: fsspec.AbstractFileSystem) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every file below a local folder; linked folders are not entered, since links can go round in circles."""
    for folder, _, names in os.walk(root, onerror=lambda error: log.warning("not listed: %s", error)):
        for name in names:
            path = os.path.join(folder, name)
            try:
                yield path, files.info(path)
            except FileNotFoundError:  # a dangling link, or gone since it was listed
                log.warning("not listed: %s is a link to nothing", path)


def _row(root: str, uri: str, info: dict[str, Any]) -> dict[str, Any]:
    try:
        uri.encode()
    except UnicodeEncodeError:  # a name that is not UTF-8 travels percent-encoded
        uri_text = Path(uri).as_uri()
    else:
        uri_text = uri
    return {
        "track_id": track_id(root, uri[len(root) + 1 :]),
        "source": root,
        "uri": uri_text,
        "source_version": source_version(info),
        "size": info["size"],
    }
