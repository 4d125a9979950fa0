"""Search a lake in words, by sound or by filter; read tags.

Imports neither Ray nor Prefect.
"""

from dataclasses import replace

import numpy as np

from flows.search.filters import ParsedFilters
from flows.search.reader import embed_file, is_audio_file, resolve_reader, spec_for_files, text_tower
from lake.embeddings.search import find_track, read_tags, read_vector
from lake.embeddings.search import search as search_table
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.search import NO_FILTERS, SearchFilters, SearchHit, TagScore
from schemas.settings import Settings


def search(
    settings: Settings,
    *,
    text: str | None = None,
    like: str | None = None,
    audio: str | None = None,
    k: int = 10,
    filters: SearchFilters = NO_FILTERS,
    embedding_version: str | None = None,
    release: int | None = None,
) -> list[SearchHit]:
    """Return the k nearest tracks to a text, track or file that pass filters.

    Without any of these three, return k tracks that pass, by the score of the tags if they have some. `like` is a
    track_id, its beginning, a path or a title. Raises UserError if the query is empty or ambiguous, if the version,
    the track, or a filter's column or tag does not exist, or if the lake has no descriptions to filter by.
    """
    if sum(query is not None for query in (text, like, audio)) > 1:
        raise UserError("search takes one of TEXT, --like and --audio")
    if not any((text, like, audio)) and not filters.are_named():
        raise UserError("search for what? Give TEXT, --like TRACK_ID, --audio FILE, --where SQL or --tag NAME")
    parsed = ParsedFilters.parse(filters)
    reader = resolve_reader(settings, embedding_version, release)
    lake, spec = reader.lake, reader.spec
    condition = parsed.make_filter(lake, spec)
    query = None
    if text is not None:
        query = _text_vector(text, spec, settings)
    elif audio is not None:
        query = np.asarray(embed_file(audio, spec, settings).vector, np.float32)
    elif like is not None:
        like = find_track(lake, spec, like)
        query = read_vector(lake, spec, like)
        condition = replace(condition, without=(like,))
    return search_table(lake, spec, query, k, condition)


def tags(
    settings: Settings, track_or_file: str, embedding_version: str | None = None, release: int | None = None
) -> list[TagScore]:
    """Return the tags of a track or of an audio file, best first.

    Raises UserError if the version or the track does not exist, or if the file cannot be embedded.
    """
    if is_audio_file(track_or_file):
        outcome = embed_file(track_or_file, spec_for_files(settings), settings)
        return [TagScore(tag["name"], round(tag["score"], 4)) for tag in outcome.tags or []]
    reader = resolve_reader(settings, embedding_version, release)
    return read_tags(reader.lake, reader.spec, find_track(reader.lake, reader.spec, track_or_file))


def _text_vector(text: str, spec: EncoderSpec, settings: Settings) -> np.ndarray:
    if not text.strip():
        raise UserError("an empty text finds nothing: describe in words what you look for")
    return text_tower(spec, settings).embed_text([text])[0]
