"""Listings of sources (folders, files, s3:// prefixes, manifests) as rows of the registry."""

import logging
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
from botocore.exceptions import BotoCoreError

from lake.sources.findings import ManifestFindings
from lake.sources.manifest import FileInfoCache, read_manifest
from lake.sources.manifest_lines import MANIFEST_SUFFIXES
from lake.sources.path_policy import PathPolicy, require_allowed_source
from lake.storage.store import open_file_system, permission_hint, require_reachable
from schemas import clock
from schemas.audio import AUDIO_SUFFIXES
from schemas.errors import UserError, require_no_credentials
from schemas.settings import S3Settings
from schemas.tracks import TRACKS, local_path, source_version, track_id

log = logging.getLogger(__name__)

MAX_SKIPPED_NAMES = 100
HIDDEN = "a hidden file"  # why it is skipped
_CHUNK_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Listing:
    """The contents of one or more sources.

    `tracks` has the columns of TRACKS, one row a track, sorted by track_id. `skipped` counts other files, and
    `skipped_names` has the first of them. `track_counts` has the number of tracks of each source, by its absolute
    name. `warnings` are lines of text about manifests. `outside` has the allowed locations that a manifest needed, by
    source.
    """

    tracks: pa.Table
    skipped: int
    track_counts: dict[str, int]
    skipped_names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    outside: dict[str, tuple[str, ...]] = field(default_factory=dict)


def list_sources(sources: list[str], s3: S3Settings, allowed: tuple[str, ...] = ()) -> Listing:
    """List all tracks of the sources; a track that is listed twice is one row.

    `allowed` are the locations outside a manifest's folder that its lines may name: see `Settings.allow_outside`.
    Raises UserError if a source cannot be read, or if there are no tracks.
    """
    return require_tracks(merge_listings([list_source(source, s3, allowed) for source in sources]), sources)


def require_tracks(listing: Listing, sources: list[str]) -> Listing:
    """Return the listing of the sources. Raises UserError if there are no tracks."""
    if not len(listing.tracks):
        raise UserError(f"nothing to index in {', '.join(sources)}: no audio file, {listing.skipped} others")
    return listing


def list_source(source: str, s3: S3Settings, allowed: tuple[str, ...] = ()) -> Listing:
    """List one source, which may be empty.

    Raises UserError if it cannot be read, ManifestError if a manifest would lose data, NotAllowed if it names a
    location that is not allowed.
    """
    scan, now = SourceScan(source, s3, allowed), clock.now()
    common = {"source": scan.root, "state": "active", "last_seen": now, "added_at": now}
    rows, tables = scan.rows(), [TRACKS.empty_table()]
    while chunk := [row | common for row in islice(rows, _CHUNK_ROWS)]:  # a million dicts would take gigabytes
        tables.append(pa.Table.from_pylist(chunk, schema=TRACKS))
    scan.findings.require_none_stops()
    tracks = _merge_duplicates(pa.concat_tables(tables))
    return Listing(
        tracks=tracks,
        skipped=scan.skipped,
        track_counts={scan.root: len(tracks)},
        skipped_names=tuple(scan.skipped_names),
        warnings=tuple(scan.findings.warning_lines()),
        outside={scan.root: tuple(sorted(scan.policy.used))} if scan.policy.used else {},
    )


def check_source(
    source: str, s3: S3Settings, allowed: tuple[str, ...] = (), others: dict[int, tuple[int, str]] | None = None
) -> "SourceScan":
    """Read a source to its end, and keep what was found instead of its tracks.

    `others` has the tracks of the sources that were checked before, as hashes of id and uri, and gets those of this
    one: an id that two sources give to two files stops a run. Raises UserError if the source cannot be read at all.
    """
    scan = SourceScan(source, s3, allowed)
    others = {} if others is None else others
    for row in scan.rows():
        scan.tracks += 1
        uri, other = others.setdefault(hash(row["track_id"]), (hash(row["uri"]), scan.root))
        if uri != hash(row["uri"]):
            understood = f"{row['uri']} has it, and another file in {other}: make ids unique"
            scan.findings.add("repeated_track", None, "track_id", row["track_id"], understood)
    return scan


class SourceScan:
    """Reads one source; collects the findings about a manifest and the files that are skipped."""

    def __init__(self, source: str, s3: S3Settings, allowed: tuple[str, ...]) -> None:
        """Raise UserError if the source is no address that can be read."""
        require_allowed_source(source, allowed)
        self.root = source_name(source)
        self.tracks = 0
        self.skipped = 0
        self.skipped_names: list[str] = []
        self.findings = ManifestFindings(self.root)
        self.policy = PathPolicy(self.root, allowed)
        self._s3, self._files = s3, _file_system(self.root, s3)

    @property
    def is_manifest(self) -> bool:
        """Whether the source is a manifest, not a folder, prefix or audio file."""
        return self.root.endswith(MANIFEST_SUFFIXES)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a registry row for each track, without the columns that all rows share."""
        if not self.is_manifest:
            return _list_audio(self.root, self._files, self)
        files_of = partial(_file_system, s3=self._s3)
        return read_manifest(self.root, self._files, files_of, self.policy, self.findings)

    def skip(self, name: str, reason: str) -> None:
        """Count a file that is not listed. `tonelake -v` shows each."""
        self.skipped += 1
        if len(self.skipped_names) < MAX_SKIPPED_NAMES:
            self.skipped_names.append(name)
        log.info("skipped: %s: %s", name, reason)


def merge_listings(listings: list[Listing]) -> Listing:
    """Join several listings into one."""
    return Listing(
        tracks=_merge_duplicates(pa.concat_tables([TRACKS.empty_table(), *(listing.tracks for listing in listings)])),
        skipped=sum(listing.skipped for listing in listings),
        track_counts={source: count for listing in listings for source, count in listing.track_counts.items()},
        skipped_names=tuple(name for listing in listings for name in listing.skipped_names)[:MAX_SKIPPED_NAMES],
        warnings=tuple(line for listing in listings for line in listing.warnings),
        outside={source: used for listing in listings for source, used in listing.outside.items()},
    )


def require_source(source: str, s3: S3Settings, allowed: tuple[str, ...]) -> str:
    """Return the source's absolute name. Raises UserError if it does not exist or is not allowed."""
    require_allowed_source(source, allowed)
    root = source_name(source)
    if not root.startswith("s3://") and not _file_system(root, s3).exists(root):
        raise UserError(f"no such source: {root}")
    return root


def source_name(source: str) -> str:
    """Return the absolute name of a source, without a slash at the end.

    Raises UserError if it contains credentials or is another kind of address.
    """
    require_no_credentials(source)
    return source.rstrip("/") if source.startswith("s3://") else _absolute(source)


def refresh_file_versions(tracks: pa.Table, s3: S3Settings) -> pa.Table:
    """Return registry rows with the size and source_version that their files have now."""
    infos = FileInfoCache(lambda uri: _file_system(uri, s3))
    rows = [row | infos.look_up(local_path(row["uri"])) for row in tracks.to_pylist()]
    return pa.Table.from_pylist(rows, schema=TRACKS)


def _absolute(source: str) -> str:
    if "://" in source and not source.startswith("file://"):
        raise UserError(f"cannot read {source}: a source is a folder, a file, an s3:// prefix or a manifest")
    return str(Path(local_path(source)).expanduser().absolute())


def _merge_duplicates(tracks: pa.Table) -> pa.Table:
    """Sort by track_id and merge rows of one track.

    Only the rows to merge become Python objects.
    """
    tracks = tracks.sort_by("track_id").combine_chunks()
    ids = tracks["track_id"]
    repeats_previous = pc.equal(ids.slice(1), ids.slice(0, max(0, len(ids) - 1)))
    if not pc.any(repeats_previous, min_count=0).as_py():
        return tracks
    is_repeated = pc.is_in(ids, ids.slice(1).filter(repeats_previous).combine_chunks())
    rows: dict[str, dict[str, Any]] = {}
    for row in tracks.filter(is_repeated).to_pylist():
        _add(rows, row)
    merged = pa.Table.from_pylist(list(rows.values()), schema=TRACKS)
    return pa.concat_tables([tracks.filter(pc.invert(is_repeated)), merged]).sort_by("track_id").combine_chunks()


def _add(rows: dict[str, dict[str, Any]], row: dict[str, Any]) -> None:
    """Add a row, or fill the existing row of its track. Raises UserError if two files have one track_id."""
    known = rows.setdefault(row["track_id"], row)
    if known["uri"] != row["uri"]:
        raise UserError(f"{known['uri']} and {row['uri']} have one track_id, {row['track_id']}: make ids unique")
    known.update((name, value) for name, value in row.items() if value is not None)


def _file_system(uri: str, s3: S3Settings) -> fsspec.AbstractFileSystem:
    if uri.startswith("s3://"):
        require_reachable(s3)
    return open_file_system(uri, s3)


def skip_reason(name: str) -> str | None:
    """Return why a file of this name is not listed; None if it is."""
    if name.startswith("."):
        return HIDDEN
    return None if name.lower().endswith(AUDIO_SUFFIXES) else "not the suffix of an audio or video file"


def _list_audio(root: str, files: fsspec.AbstractFileSystem, scan: SourceScan) -> Iterator[dict[str, Any]]:
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
            if reason := "a broken link" if info is None else skip_reason(name):
                scan.skip(uri, reason)
            else:
                yield _row(root, uri, info)
    except PermissionError as error:
        raise UserError(f"cannot read the source {root}: {error}; {permission_hint(error)}") from error
    except FileNotFoundError as error:
        raise UserError(f"no such source: {root} ({error})") from error
    except BotoCoreError as error:
        raise UserError(f"cannot read the source {root}: {error}; check the AWS_* variables") from error


def _walk(root: str, files: fsspec.AbstractFileSystem) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield every file below a local folder with its info, None for a broken link.

    Links are followed, and each folder is visited once.
    """
    seen = {os.path.realpath(root)}
    for folder, below, names in os.walk(root, followlinks=True, onerror=_raise_unlisted):
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


def _raise_unlisted(error: OSError) -> None:
    raise UserError(f"cannot list {error.filename}: {error.strerror}; without it its tracks would be missing")


def _row(root: str, uri: str, info: dict[str, Any]) -> dict[str, Any]:
    try:
        uri.encode()
    except UnicodeEncodeError:  # a name that is not UTF-8 is stored percent-encoded
        uri_text = Path(uri).as_uri()
    else:
        uri_text = uri
    return {
        "track_id": track_id(root, uri.removeprefix(root).lstrip("/")),
        "uri": uri_text,
        "source_version": source_version(info),
        "size": info["size"],
    }
