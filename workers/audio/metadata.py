"""A file's own tags, for what the manifest leaves out."""

import logging
import re
from dataclasses import dataclass
from typing import Any, BinaryIO

import mutagen

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileTags:
    """None, or no genres, where the file does not say."""

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    genres: tuple[str, ...] = ()
    year: int | None = None


def file_tags(file: BinaryIO) -> FileTags:
    """Reads tags of any format that mutagen knows; a broken tag is no reason not to embed a track."""
    try:
        file.seek(0)
        found = mutagen.File(file, easy=True)
    except Exception as error:  # mutagen raises many things on damaged files, none of which concern the audio
        log.info("no tags read: %s", error)
        return FileTags()
    finally:
        file.seek(0)
    tags = getattr(found, "tags", None) or {}
    year = re.match(r"\d{4}", _first(tags, "date") or _first(tags, "year") or "")
    return FileTags(
        title=_first(tags, "title"),
        artist=_first(tags, "artist"),
        album=_first(tags, "album"),
        genres=tuple(_all(tags, "genre")),
        year=int(year[0]) if year else None,
    )


def _all(tags: Any, name: str) -> list[str]:
    try:
        values = tags.get(name) or []
    except (KeyError, ValueError):
        return []
    values = values if isinstance(values, list) else [values]
    return [text for value in values if (text := str(value).strip())]


def _first(tags: Any, name: str) -> str | None:
    return next(iter(_all(tags, name)), None)
