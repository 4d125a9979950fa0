"""The files of tracks that the service may play: looked up, checked, and opened once.

What is checked is the open file, not its path: another file may be at the path a moment later.
"""

import fcntl
import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from starlette.exceptions import HTTPException

from flows.ingest.allowances import allowed_locations
from lake.catalogue.audio_facts import read_codecs
from lake.catalogue.encoders import list_encoder_versions
from lake.catalogue.rights import describe_rights, is_available
from lake.sources.path_policy import is_allowed_file
from lake.storage.arrow import conform_to
from lake.storage.filters import string_literal
from lake.storage.lake import Lake
from lake.storage.store import open_file_system
from lake.takedowns.takedowns import read_blocklist
from schemas.encoders import EncoderSpec
from schemas.errors import NotFound
from schemas.rights import RightsFilter, today
from schemas.settings import Settings
from schemas.tables import embeddings_table
from schemas.tracks import TRACKS, local_path, source_version

_EMBEDDED_COLUMNS = ["source_version", "content_sha256", "duration_s"]
_S3_BLOCK_BYTES = 1 << 20
TAKEN_DOWN = "it was taken down by `tonelake takedown`, for good"
CHANGED = "its file has changed since it was embedded, or is missing: run `tonelake refresh`"


@dataclass(frozen=True, slots=True)
class PlayableTrack:
    """A track that may be played now, and the file that was embedded for it.

    `seconds` is its length. `codec` is FFmpeg's name, None if it is not known.
    """

    track_id: str
    source: str
    uri: str
    source_version: str
    content_sha256: str
    seconds: float
    codec: str | None


@dataclass(frozen=True)
class OpenFile:
    """An open file of a track, whose content is the one that was embedded."""

    track: PlayableTrack
    file: BinaryIO
    size: int

    @cached_property
    def head(self) -> bytes:
        """The first 64 bytes."""
        self.file.seek(0)
        return self.file.read(64)

    def is_unchanged(self) -> bool:
        """Tell whether a local file is as it was. A store answers for one version of an object only."""
        if self.track.uri.startswith("s3://"):
            return True
        return _version_of(os.fstat(self.file.fileno())) == self.track.source_version


class TrackFiles:
    """Finds and opens the files of a lake's tracks. Threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lake = Lake.at(settings.lake, settings.s3)  # not held: a takedown counts from the next request on

    def find(self, first: EncoderSpec, track_id: str) -> PlayableTrack:
        """Return a track that may be played.

        Its content is that of the version `first`, else of another one.

        Raises NotFound if it is not embedded, was taken down or is not available today.
        """
        blocklist = read_blocklist(self._lake)
        if track_id in blocklist.tracks:
            raise NotFound(f"{track_id!r}: {TAKEN_DOWN}")
        registered = self._lake.table("tracks").to_table(filter=f"track_id = {string_literal(track_id)}")
        row = self._embedded_row(first, track_id)
        if not len(registered) or registered["state"][0].as_py() != "active" or row is None:
            raise NotFound(f"no track {track_id!r} to play: `tonelake why {track_id}` says where it is")
        if row["content_sha256"] in blocklist.contents:
            raise NotFound(f"{track_id!r}: {TAKEN_DOWN}")
        (track,) = registered.to_pylist()
        if not is_available(conform_to(registered, TRACKS), RightsFilter(today()))[0]:
            raise NotFound(f"{track_id!r} is not available today ({describe_rights(track)})")
        content = row["content_sha256"]
        codec = read_codecs(self._lake, [content]).get(content)
        seconds = row.pop("duration_s") or 0.0
        return PlayableTrack(track_id, track["source"], track["uri"], seconds=seconds, codec=codec, **row)

    def open(self, track: PlayableTrack) -> OpenFile:
        """Open the file of a track; the caller closes it.

        Raises NotFound if its path is not permitted, HTTPException 410 if its content has changed or it is missing.
        """
        is_remote = track.uri.startswith("s3://")
        try:
            opened = self._open_object(track) if is_remote else self._open_local(track)
        except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a NUL in the path
            raise HTTPException(410, f"{track.track_id!r}: {CHANGED}") from error
        except PermissionError as error:
            if is_remote:
                raise  # the store refuses the keys: that is no fault of the track
            raise NotFound(f"{track.track_id!r}: its file may not be read: check its permissions") from error
        return opened

    def _open_local(self, track: PlayableTrack) -> OpenFile:
        # A pipe would wait for its writer without O_NONBLOCK.
        descriptor = os.open(local_path(track.uri), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            self._require_allowed(track, _real_path(descriptor))
            if not stat.S_ISREG(status.st_mode) or _version_of(status) != track.source_version:
                raise FileNotFoundError(track.uri)
        except BaseException:
            os.close(descriptor)
            raise
        return OpenFile(track, os.fdopen(descriptor, "rb"), status.st_size)

    def _open_object(self, track: PlayableTrack) -> OpenFile:
        self._require_allowed(track, track.uri)
        files = open_file_system(track.uri, self._settings.s3)
        file = files.open(track.uri, "rb", block_size=_S3_BLOCK_BYTES, cache_type="readahead")
        if source_version(file.details) != track.source_version:
            file.close()
            raise FileNotFoundError(track.uri)
        return OpenFile(track, file, file.size)

    def _require_allowed(self, track: PlayableTrack, path: str) -> None:
        if not is_allowed_file(track.source, path, allowed_locations(track.source, self._settings)):
            raise NotFound(
                f"{track.track_id!r}: its file is outside of its source; if that is meant, set "
                "TONELAKE_ALLOW_OUTSIDE to its folder"
            )

    def _embedded_row(self, first: EncoderSpec, track_id: str) -> dict[str, Any] | None:
        """Return the track's row of a version, else of any other; None without one."""
        where = f"track_id = {string_literal(track_id)}"
        specs = [first, *(version.spec for version in list_encoder_versions(self._lake))]
        for name in dict.fromkeys(map(embeddings_table, specs)):
            table = self._lake.find_table(name)
            rows = [] if table is None else table.to_table(columns=_EMBEDDED_COLUMNS, filter=where).to_pylist()
            if rows:
                row: dict[str, Any] = rows[0]
                return row
        return None


def _version_of(status: os.stat_result) -> str:
    return source_version({"size": status.st_size, "mtime": status.st_mtime})


def _real_path(descriptor: int) -> str:
    """Return the path of an open file, without links."""
    link = Path(f"/proc/self/fd/{descriptor}")
    if link.exists():
        return os.readlink(link)
    return os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))  # type: ignore[attr-defined]
