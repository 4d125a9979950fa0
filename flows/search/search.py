"""Search a lake in words, by sound or by filter; read tags.

Imports neither Ray nor Prefect.
"""

import numpy as np

from flows.search.descriptions import bpm_condition, key_condition, require_described
from flows.search.reader import embed_file, is_audio_file, resolve_reader, spec_for_files, text_tower
from lake.catalogue.rights import unavailable_tracks
from lake.embeddings.search import Filter, find_track, read_tags, read_vector
from lake.embeddings.search import search as search_table
from schemas.encoders import EncoderSpec, TaggerSpec
from schemas.errors import UserError
from schemas.names import did_you_mean
from schemas.rights import RightsFilter
from schemas.search import SearchHit, TagScore
from schemas.settings import Settings


def search(
    settings: Settings,
    *,
    text: str | None = None,
    like: str | None = None,
    audio: str | None = None,
    k: int = 10,
    where: str | None = None,
    tag: str | None = None,
    bpm: str | None = None,
    key: str | None = None,
    on: str | None = None,
    territory: str | None = None,
    any_date: bool = False,
    embedding_version: str | None = None,
    release: int | None = None,
) -> list[SearchHit]:
    """Return the k tracks nearest to a text, a track or an audio file.

    Without any of these three, return k tracks that pass the SQL filter `where` and carry `tag`, by the score of the
    tag. `bpm` and `key` are filters as people write them. `on`, `territory` and `any_date` are those of RightsFilter:
    by default only tracks that may be played today are found. `like` is a track_id, its beginning, a path or a title.
    Raises UserError if the query is empty or ambiguous, if the version, the track or the tag does not exist, or if the
    lake has no descriptions to filter by.
    """
    if sum(query is not None for query in (text, like, audio)) > 1:
        raise UserError("search takes one of TEXT, --like and --audio")
    if not any((text, like, audio, where, tag, bpm, key)):
        raise UserError("search for what? Give TEXT, --like TRACK_ID, --audio FILE, --where SQL or --tag NAME")
    rights = RightsFilter.from_options(on, territory, any_date)
    described = [bpm_condition(bpm)] if bpm else []
    described += [key_condition(key)] if key else []
    reader = resolve_reader(settings, embedding_version, release)
    lake, spec = reader.lake, reader.spec
    if described:
        require_described(lake, spec)
    tag = _vocabulary_name(tag, spec.tagger) if tag else None
    query = None
    if text is not None:
        query = _text_vector(text, spec, settings)
    elif audio is not None:
        query = np.asarray(embed_file(audio, spec, settings).vector, np.float32)
    elif like is not None:
        like = find_track(lake, spec, like)
        query = read_vector(lake, spec, like)
    unavailable = unavailable_tracks(lake, rights)
    condition = Filter(where, tag, (like,) if like else (), tuple(described), unavailable)
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


def _vocabulary_name(tag: str, tagger: TaggerSpec | None) -> str:
    """Return the vocabulary's spelling of a tag. Raises UserError with near names if it has no such tag."""
    if tagger is None:
        raise UserError("this encoder has no tags: search in words, or with another --encoder")
    names = {_normalized(name): name for name in tagger.vocabulary}
    if name := names.get(_normalized(tag)):
        return name
    hint = did_you_mean(_normalized(tag), names)
    raise UserError(f"no tag is named {tag!r}; {hint}there are {', '.join(sorted(tagger.vocabulary)[:8])} ...")


def _normalized(name: str) -> str:
    return name.casefold().replace("-", " ").strip()
