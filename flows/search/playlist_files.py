"""Playlists as files: M3U8, JSPF and CSV to write, and lists of tracks to read.

Formats: M3U with Winamp's #EXTINF, in UTF-8; https://www.xspf.org/jspf; CSV by RFC 4180.
"""

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from flows.console.atomic_file import write_atomically
from schemas.errors import UserError
from schemas.names import did_you_mean
from schemas.playlists import Playlist
from schemas.redaction import replace_controls
from schemas.search import SearchHit
from schemas.tracks import local_path

LIST_SUFFIXES = (".m3u8", ".m3u", ".csv", ".txt")
_CSV_COLUMNS = ("position", "track_id", "title", "artist", "album", "duration_s", "uri")
_NAME_COLUMNS = ("track_id", "uri")  # of a list in .csv, the first that it has


def require_playlist_file(out: Path) -> None:
    """Raise UserError if no playlist can be written to this path. Called before the work starts."""
    if out.suffix.lower() not in WRITERS:
        hint = did_you_mean(out.suffix, WRITERS)
        raise UserError(f"cannot write {out}: {hint}a playlist ends in {', '.join(WRITERS)}")
    if out.is_dir():
        raise UserError(f"{out} is a folder: name a file for the playlist, such as {out}/playlist.m3u8")


def write_playlist(playlist: Playlist, out: Path) -> None:
    """Write a playlist in the format of the path's suffix. The file appears whole or not at all."""
    with write_atomically(out) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        WRITERS[out.suffix.lower()](playlist, file)


def format_playlist(playlist: Playlist, suffix: str) -> str:
    """Return a playlist as text in the format of the suffix, one of WRITERS."""
    text = io.StringIO(newline="")
    WRITERS[suffix](playlist, text)
    return text.getvalue()


def read_list(file: Path) -> tuple[str, ...]:
    """Return the names of the tracks in a .m3u8, .m3u, .csv or .txt, in order.

    They are paths, uris, ids or titles. Paths in .m3u8 and .m3u are relative to their folder. A .csv has a column
    `track_id` or `uri`. Raises UserError if the file cannot be read or names no track.
    """
    suffix = file.suffix.lower()
    try:
        data = file.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read the list {file}: {error.strerror}; give .m3u8, .m3u, .csv or .txt") from error
    except UnicodeDecodeError as error:
        if suffix != ".m3u":
            raise UserError(f"cannot read the list {file}: it is not UTF-8; save it as UTF-8") from error
        text = data.decode("latin-1")
    if suffix == ".csv":
        names = _read_csv(file, text)
    else:
        names = [line.strip() for line in text.replace("\r", "\n").split("\n")]
    names = [name for name in names if name and (suffix in (".csv", ".txt") or not name.startswith("#"))]
    if suffix.startswith(".m3u"):
        names = [name if "://" in name else os.path.join(os.path.abspath(file.parent), name) for name in names]
    if not names:
        raise UserError(f"{file} names no track; give one a line")
    return tuple(map(_track_name, names))


def _track_name(name: str) -> str:
    """Return the path of a file:// uri; any other name unchanged.

    The registry knows a path that is not UTF-8 by its uri.
    """
    path = local_path(name)
    return name if any("\ud800" <= character <= "\udfff" for character in path) else path


def _read_csv(file: Path, text: str) -> list[str]:
    try:
        rows = list(csv.DictReader(text.splitlines(keepends=True)))
    except csv.Error as error:
        raise UserError(f"cannot read the list {file}: {error}; give a .txt with a track a line instead") from error
    columns = [name for name in _NAME_COLUMNS if rows and name in rows[0]]
    if rows and not columns:
        raise UserError(f"{file} has no column track_id and no uri; give one, or a .txt with a track a line")
    return [next((row[name].strip() for name in columns if row[name]), "") for row in rows]


def _write_m3u8(playlist: Playlist, file: IO[str]) -> None:
    file.write(f"#EXTM3U\n#PLAYLIST:{_one_line(playlist.title)}\n")
    for track in playlist.tracks:
        seconds = -1 if track.hit.duration_s is None else round(track.hit.duration_s)
        file.write(f"#EXTINF:{seconds},{_one_line(label(track.hit))}\n{_line_of_path(track.hit.uri or '')}\n")


def label(hit: SearchHit) -> str:
    """Return "artist - title" as far as they are known, else the file's name."""
    return " - ".join(filter(None, (hit.artist, hit.title))) or (hit.uri or hit.track_id).rsplit("/", 1)[-1]


def _one_line(text: str) -> str:
    return replace_controls(" ".join(text.split()))


def _line_of_path(uri: str) -> str:
    """Return a path as one line: where it is none, as a file:// uri."""
    if uri.startswith("/") and (not uri.isprintable() or uri != uri.strip()):
        return _address(uri)
    return uri if uri.isprintable() else quote(uri, safe=":/")


def _address(uri: str) -> str:
    """Return a path or an s3:// address as a URI: percent-encoded."""
    return uri if uri.startswith("file://") else Path(uri).as_uri() if uri.startswith("/") else quote(uri, safe=":/")


def _write_jspf(playlist: Playlist, file: IO[str]) -> None:
    tracks = [_jspf_track(track.hit) for track in playlist.tracks]
    document = {"playlist": {"title": playlist.title, "track": tracks}}
    json.dump(document, file, ensure_ascii=False, indent=1)
    file.write("\n")


def _jspf_track(hit: SearchHit) -> dict[str, Any]:
    known = {
        "location": [_address(hit.uri)] if hit.uri else None,
        "identifier": [f"tonelake:{quote(hit.track_id)}"],
        "title": hit.title,
        "creator": hit.artist,
        "album": hit.album,
        "duration": None if hit.duration_s is None else round(1000 * hit.duration_s),
    }
    return {name: value for name, value in known.items() if value is not None}


def _write_csv(playlist: Playlist, file: IO[str]) -> None:
    writer = csv.DictWriter(file, _CSV_COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for track in playlist.tracks:
        writer.writerow(track.hit.to_json() | {"position": track.hit.rank})


WRITERS: dict[str, Callable[[Playlist, IO[str]], None]] = {
    ".m3u8": _write_m3u8,
    ".jspf": _write_jspf,
    ".csv": _write_csv,
}
