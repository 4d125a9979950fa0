"""The Million Playlist Dataset: its official files, and their tracks in a lake.

Source: Chen, Lamere, Schedl and Zamani, "RecSys Challenge 2018: Automatic Music Playlist Continuation", RecSys 2018.
Each `mpd.slice.FIRST-LAST.json` has `info` and `playlists`: pid, name and tracks with pos and track_uri. The official
files have no ISRCs; if somebody has added `isrc` to the tracks, it is used too.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.storage.arrow import index_in, string_column
from lake.storage.lake import Lake
from schemas.errors import UserError

_SLICE_NAME = re.compile(r"mpd\.slice\.(\d+)-\d+\.json")
# A URI or a link in any of a manifest's columns, or a bare id in one named spotify, spotify_id or spotify_track_id.
_SPOTIFY_ID = r'(?:spotify:track:|open\.spotify\.com/track/|"spotify(?:_track)?(?:_id)?": ?")(?P<id>[0-9A-Za-z]{22})'


@dataclass(frozen=True, slots=True)
class PlaylistSlice:
    """The playlists of one file.

    `titles` has one entry a playlist. `playlist` (int64 [N]), `uris` and `isrcs` have one entry a track, in the order
    of the playlists and of their tracks; `playlist` is the index into `titles`.
    """

    titles: list[str]
    playlist: np.ndarray
    uris: pa.ChunkedArray
    isrcs: pa.ChunkedArray


def list_slices(folder: Path) -> list[Path]:
    """Return the files of the data set in order.

    They lie in the folder or its subfolder `data`. Raises UserError if there are none.
    """
    paths = [*folder.glob("mpd.slice.*.json"), *folder.glob("data/mpd.slice.*.json")]
    numbered = sorted((int(match[1]), path) for path in paths if (match := _SLICE_NAME.fullmatch(path.name)))
    if not numbered:
        raise UserError(f"{folder} has no mpd.slice.*.json: give the folder of the Million Playlist Dataset's files")
    return [path for _, path in numbered]


def read_slice(path: Path) -> PlaylistSlice:
    """Read one file. Raises UserError if it is not in the official format."""
    try:
        playlists = json.loads(path.read_text(encoding="utf-8"))["playlists"]
        titles = [str(playlist.get("name") or "") for playlist in playlists]
        track_lists = [sorted(playlist["tracks"], key=lambda track: track["pos"]) for playlist in playlists]
        uris = string_column([track["track_uri"] for tracks in track_lists for track in tracks])
        isrcs = string_column([track.get("isrc") for tracks in track_lists for track in tracks])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        cause = f"no {error} in a playlist" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise UserError(f"cannot read {path}: {cause}; the format is that of the Million Playlist Dataset") from error
    lengths = np.array([len(tracks) for tracks in track_lists], np.int64)
    return PlaylistSlice(titles, np.repeat(np.arange(len(lengths)), lengths), uris, isrcs)


class TrackLookup:
    """Finds a lake's tracks by Spotify URI, else by ISRC.

    The URI is the track_id or stands in `extra`.
    """

    def __init__(self, lake: Lake) -> None:
        rows = lake.table("tracks").to_table(columns=["track_id", "isrc", "extra"]).sort_by("track_id")
        matches = pc.extract_regex(rows["extra"], _SPOTIFY_ID)
        with_uri = rows.filter(pc.is_valid(matches))
        uris = pc.binary_join_element_wise("spotify:track:", pc.struct_field(matches.drop_null(), "id"), "")
        self._uris = pa.chunked_array([*rows["track_id"].chunks, *uris.chunks], pa.string())
        self._by_uri = pa.chunked_array([*rows["track_id"].chunks, *with_uri["track_id"].chunks], pa.string())
        with_isrc = rows.filter(pc.is_valid(rows["isrc"]))
        self._isrcs, self._by_isrc = _normalise(with_isrc["isrc"]), with_isrc["track_id"]

    def track_ids(self, playlists: PlaylistSlice) -> pa.ChunkedArray:
        """Return the lake's track_id of each track of the playlists, null if unknown."""
        by_isrc = self._by_isrc.take(index_in(_normalise(playlists.isrcs), self._isrcs))
        by_isrc = pc.if_else(pc.is_valid(playlists.isrcs), by_isrc, pa.scalar(None, pa.string()))
        return pc.coalesce(self._by_uri.take(index_in(playlists.uris, self._uris)), by_isrc)


def _normalise(isrcs: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return ISRCs in upper case without hyphens; both spellings are in use."""
    return pc.utf8_upper(pc.replace_substring(isrcs, "-", ""))
