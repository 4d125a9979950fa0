"""The Million Playlist Dataset in its official files, and the names by which its tracks may stand in a lake.

Source: Chen, Lamere, Schedl and Zamani, "RecSys Challenge 2018: Automatic Music Playlist Continuation", RecSys 2018.
Each `mpd.slice.FIRST-LAST.json` has `info` and `playlists`: pid, name and tracks with pos and track_uri. There are no
ISRCs in the official files; where somebody has added `isrc` to the tracks, it is used too.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.storage.arrow import place_in, strings
from lake.storage.lake import Lake
from schemas.errors import UserError

_SLICE = re.compile(r"mpd\.slice\.(\d+)-\d+\.json")
# A URI or a link in any of a manifest's columns, or a bare id in one named spotify, spotify_id or spotify_track_id.
_SPOTIFY = r'(?:spotify:track:|open\.spotify\.com/track/|"spotify(?:_track)?(?:_id)?": ?")(?P<id>[0-9A-Za-z]{22})'


@dataclass(frozen=True, slots=True)
class Slice:
    """Playlists of one file: their names, and of each track, in order, its playlist's number and its own names."""

    titles: list[str]
    playlist: np.ndarray
    uris: pa.ChunkedArray
    isrcs: pa.ChunkedArray


def slices(folder: Path) -> list[Path]:
    """The files of the data set in order, in the folder or its subfolder `data`; UserError where there are none."""
    there = [*folder.glob("mpd.slice.*.json"), *folder.glob("data/mpd.slice.*.json")]
    found = sorted((int(match[1]), path) for path in there if (match := _SLICE.fullmatch(path.name)))
    if not found:
        raise UserError(f"{folder} has no mpd.slice.*.json: give the folder of the Million Playlist Dataset's files")
    return [path for _, path in found]


def read_slice(path: Path) -> Slice:
    """UserError where it is not in the official format."""
    try:
        playlists = json.loads(path.read_text(encoding="utf-8"))["playlists"]
        tracks = [sorted(one["tracks"], key=lambda track: track["pos"]) for one in playlists]
        titles = [str(one.get("name") or "") for one in playlists]
        uris = strings([track["track_uri"] for one in tracks for track in one])
        isrcs = strings([track.get("isrc") for one in tracks for track in one])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"no {error} in a playlist" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise UserError(f"cannot read {path}: {what}; the format is that of the Million Playlist Dataset") from error
    lengths = np.array([len(one) for one in tracks], np.int64)
    return Slice(titles, np.repeat(np.arange(len(lengths)), lengths), uris, isrcs)


class TrackNames:
    """Finds a lake's tracks by Spotify's URI, which is their track_id or stands in `extra`, else by ISRC."""

    def __init__(self, lake: Lake) -> None:
        rows = lake.table("tracks").to_table(columns=["track_id", "isrc", "extra"]).sort_by("track_id")
        found = pc.extract_regex(rows["extra"], _SPOTIFY)
        known = rows.filter(pc.is_valid(found))
        uris = pc.binary_join_element_wise("spotify:track:", pc.struct_field(found.drop_null(), "id"), "")
        self._uris = pa.chunked_array([*rows["track_id"].chunks, *uris.chunks], pa.string())
        self._by_uri = pa.chunked_array([*rows["track_id"].chunks, *known["track_id"].chunks], pa.string())
        with_isrc = rows.filter(pc.is_valid(rows["isrc"]))
        self._isrcs, self._by_isrc = _plain(with_isrc["isrc"]), with_isrc["track_id"]

    def track_ids(self, asked: Slice) -> pa.ChunkedArray:
        """For each track of the playlists its track_id in the lake, null where the lake does not know it."""
        by_isrc = self._by_isrc.take(place_in(_plain(asked.isrcs), self._isrcs))
        by_isrc = pc.if_else(pc.is_valid(asked.isrcs), by_isrc, pa.scalar(None, pa.string()))
        return pc.coalesce(self._by_uri.take(place_in(asked.uris, self._uris)), by_isrc)


def _plain(isrcs: pa.ChunkedArray) -> pa.ChunkedArray:
    """ISRCs are written with hyphens and without."""
    return pc.utf8_upper(pc.replace_substring(isrcs, "-", ""))
