"""What a source holds: a folder, a file, an s3 prefix or a manifest -> rows of the track registry."""

import logging
import os
import posixpath
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
from botocore.exceptions import BotoCoreError

from lake.sources.manifest import MANIFEST_SUFFIXES, FileInfos, read_manifest
from lake.sources.path_policy import require_allowed_source
from lake.storage.lake import file_system, require_reachable, what_to_check
from schemas.audio import AUDIO_SUFFIXES
from schemas.errors import UserError, require_no_keys
from schemas.settings import S3Settings
from schemas.tracks import TRACKS, local_path, source_version, track_id

log = logging.getLogger(__name__)

CHUNK_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Listing:
    """`tracks` has the columns of TRACKS, one row a track, sorted by track_id; `skipped` counts other files.

    `found` counts the tracks of each source, by its absolute name.
    """

    tracks: pa.Table
    skipped: int
    found: dict[str, int]


def list_sources(sources: list[str], s3: S3Settings, allowed: tuple[str, ...] = ()) -> Listing:
    """Everything the sources hold. A track named twice is one row; UserError where a source cannot be read.

    `allowed` are the places outside a manifest's folder that its lines may name: see `Settings.allow_outside`.
    """
    found = joined([list_source(source, s3, allowed) for source in sources])
    if not len(found.tracks):
        raise UserError(f"nothing to index in {', '.join(sources)}: no audio file, {found.skipped} others")
    return found


def list_source(source: str, s3: S3Settings, allowed: tuple[str, ...] = ()) -> Listing:
    """What one source holds, perhaps nothing; UserError where it cannot be read, or names what is not allowed."""
    require_allowed_source(source, allowed)
    root, now = source_name(source), datetime.now(UTC)
    files = _file_system(root, s3)
    skipped: Counter[str] = Counter()
    if root.endswith(MANIFEST_SUFFIXES):
        rows = read_manifest(root, files, lambda uri: _file_system(uri, s3), allowed)
    else:
        rows = _list_audio(root, files, skipped)
    about = {"source": root, "state": "active", "last_seen": now, "added_at": now}
    tables = [TRACKS.empty_table()]
    while chunk := [row | about for row in islice(rows, CHUNK_ROWS)]:  # a million dicts would take gigabytes
        tables.append(pa.Table.from_pylist(chunk, schema=TRACKS))
    tracks = _one_row_a_track(pa.concat_tables(tables))
    return Listing(tracks, skipped["files"], {root: len(tracks)})


def joined(listings: list[Listing]) -> Listing:
    """Several listings as one."""
    tracks = _one_row_a_track(pa.concat_tables([TRACKS.empty_table(), *(one.tracks for one in listings)]))
    counts = {name: number for one in listings for name, number in one.found.items()}
    return Listing(tracks, sum(one.skipped for one in listings), counts)


def require_source(source: str, s3: S3Settings, allowed: tuple[str, ...]) -> str:
    """The source's name; UserError where there is no such thing, or where file:// is off."""
    require_allowed_source(source, allowed)
    root = source_name(source)
    if not root.startswith("s3://") and not _file_system(root, s3).exists(root):
        raise UserError(f"no such source: {root}")
    return root


def source_name(source: str) -> str:
    """How a source is named everywhere: absolute, without a slash at its end; UserError where keys stand in it."""
    require_no_keys(source)
    return source.rstrip("/") if source.startswith("s3://") else _absolute(source)


def refreshed(tracks: pa.Table, s3: S3Settings) -> pa.Table:
    """Registry rows with size and source_version as they are now."""
    infos = FileInfos(lambda uri: _file_system(uri, s3))
    rows = [row | infos.of(local_path(row["uri"])) for row in tracks.to_pylist()]
    return pa.Table.from_pylist(rows, schema=TRACKS)


def _absolute(source: str) -> str:
    if "://" in source and not source.startswith("file://"):
        raise UserError(f"cannot read {source}: a source is a folder, a file, an s3:// prefix or a manifest")
    return str(Path(local_path(source)).expanduser().absolute())


def _one_row_a_track(tracks: pa.Table) -> pa.Table:
    """Sorted by track_id; only the tracks that are named twice become Python objects."""
    tracks = tracks.sort_by("track_id").combine_chunks()
    ids = tracks["track_id"]
    again = pc.equal(ids.slice(1), ids.slice(0, max(0, len(ids) - 1)))
    if not pc.any(again, min_count=0).as_py():
        return tracks
    twice = pc.is_in(ids, ids.slice(1).filter(again).combine_chunks())
    rows: dict[str, dict[str, Any]] = {}
    for row in tracks.filter(twice).to_pylist():
        _add(rows, row)
    merged = pa.Table.from_pylist(list(rows.values()), schema=TRACKS)
    return pa.concat_tables([tracks.filter(pc.invert(twice)), merged]).sort_by("track_id").combine_chunks()


def _add(rows: dict[str, dict[str, Any]], row: dict[str, Any]) -> None:
    """A track named by two sources is one row, with what either says of it; two files of one id are an error."""
    known = rows.setdefault(row["track_id"], row)
    if known["uri"] != row["uri"]:
        raise UserError(f"{known['uri']} and {row['uri']} have one track_id, {row['track_id']}: make ids unique")
    known.update((name, value) for name, value in row.items() if value is not None)


def _file_system(uri: str, s3: S3Settings) -> fsspec.AbstractFileSystem:
    if uri.startswith("s3://"):
        require_reachable(s3)
    return file_system(uri, s3)


def _list_audio(root: str, files: fsspec.AbstractFileSystem, skipped: Counter[str]) -> Iterator[dict[str, Any]]:
    try:
        if files.isfile(root):
            root, infos = posixpath.dirname(root), iter([(root, files.info(root))])
        elif root.startswith("s3://"):
            infos = ((f"s3://{name}", info) for name, info in files.find(root, detail=True).items())
        elif files.isdir(root):
            infos = _walk(root, files)
        else:
            raise UserError(f"no such source: {root}")
        for uri, info in infos:
            name = posixpath.basename(uri)
            if info is None or name.startswith(".") or not name.lower().endswith(AUDIO_SUFFIXES):
                skipped["files"] += 1
                continue
            yield _row(root, uri, info)
    except PermissionError as error:
        raise UserError(f"cannot read the source {root}: {error}; {what_to_check(error)}") from error
    except FileNotFoundError as error:
        raise UserError(f"no such source: {root} ({error})") from error
    except BotoCoreError as error:
        raise UserError(f"cannot read the source {root}: {error}; check the AWS_* variables") from error


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
        "uri": uri_text,
        "source_version": source_version(info),
        "size": info["size"],
    }
