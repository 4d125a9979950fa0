"""A file's own tags, for the fields that a manifest leaves out.

`id3` reads MP3, tinytag reads Ogg, FLAC, MP4, WAV, AIFF and WMA, and FFmpeg reads the other formats.
"""

import logging
import re
from dataclasses import dataclass
from typing import BinaryIO

import av
from tinytag import TinyTag, TinyTagException

from workers.audio.container import open_with_ffmpeg
from workers.audio.id3 import read_id3

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileTags:
    """The tags of a file. A missing tag is None, or no genres."""

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    genres: tuple[str, ...] = ()
    year: int | None = None


def read_tags(file: BinaryIO) -> FileTags:
    """Return the tags of an open file and rewind it.

    A broken tag counts as no tag.
    """
    try:
        return _read_id3(file) or _read_tinytag(file) or _read_ffmpeg(file) or FileTags()
    except Exception as error:  # a damaged tag says nothing about the audio, whatever error it raises
        log.info("no tags read: %s", error)
        return FileTags()
    finally:
        file.seek(0)


def _read_id3(file: BinaryIO) -> FileTags | None:
    values = read_id3(file)
    return _to_file_tags(
        titles=values.get("TIT2", []),
        artists=values.get("TPE1", []),
        albums=values.get("TALB", []),
        genres=values.get("TCON", []),
        dates=values.get("TDRC", []) + values.get("TYER", []),
    )


def _read_tinytag(file: BinaryIO) -> FileTags | None:
    file.seek(0)
    try:
        tag = TinyTag.get(file_obj=file, duration=False)
    except TinyTagException as error:  # a format that it does not read, or a damaged file
        log.debug("tinytag: %s", error)
        return None
    artists = _values(tag, "artist")
    if len(artists) > 1:  # tinytag mixes the names of single artists (ARTISTS) with the one to show (ARTIST)
        from_ffmpeg = _read_ffmpeg(file) or FileTags()
        artists.sort(key=lambda artist: artist != from_ffmpeg.artist)
    return _to_file_tags(
        titles=_values(tag, "title"),
        artists=artists,
        albums=_values(tag, "album"),
        genres=_values(tag, "genre"),
        # "_year" is a Vorbis comment YEAR, "date" what FFmpeg writes into WMA.
        dates=_values(tag, "year") + tag.other.get("_year", []) + tag.other.get("date", []),
    )


def _values(tag: TinyTag, name: str) -> list[str]:
    """Return all values of a field.

    tinytag keeps the first as an attribute and the others in `other`.
    """
    first = getattr(tag, name)
    return [*([first] if first else []), *tag.other.get(name, [])]


def _read_ffmpeg(file: BinaryIO) -> FileTags | None:
    try:
        with open_with_ffmpeg(file) as container:
            streams = [stream.metadata for stream in container.streams]  # Ogg has its tags in the stream
            pairs = [pair for metadata in (container.metadata, *streams) for pair in metadata.items()]
    except av.error.FFmpegError as error:
        log.debug("FFmpeg: %s", error)
        return None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name.lower(), []).append(value)
    return _to_file_tags(
        titles=values.get("title", []),
        artists=values.get("artist", []),
        albums=values.get("album", []),
        genres=values.get("genre", []),
        dates=values.get("date", []) + values.get("year", []),
    )


def _to_file_tags(
    titles: list[str], artists: list[str], albums: list[str], genres: list[str], dates: list[str]
) -> FileTags | None:
    """Return the first title, artist, album and date and all genres.

    The result is None if there is no value at all.
    """
    titles, artists, albums, genres, dates = map(_clean, (titles, artists, albums, genres, dates))
    year = re.match(r"\d{4}", dates[0]) if dates else None
    tags = FileTags(
        title=titles[0] if titles else None,
        artist=artists[0] if artists else None,
        album=albums[0] if albums else None,
        genres=tuple(genres),
        year=int(year[0]) if year else None,
    )
    return None if tags == FileTags() else tags


def _clean(values: list[str]) -> list[str]:
    """Return the values without surrounding spaces, empty values and repetitions."""
    stripped = [value.strip() for value in values]
    return list(dict.fromkeys(value for value in stripped if value))
