"""Search a lake in words, by sound or by filter; read tags.

Imports neither Ray nor Prefect.
"""

from flows.search.engine import answer, require_answerable
from flows.search.reader import open_reader
from flows.search.version import embed_file, is_audio_file, resolve_version, spec_for_files
from lake.embeddings.search import find_track, read_tags
from schemas.search import NO_FILTERS, Answer, PartKind, Query, QueryPart, SearchFilters, SearchHit, TagScore
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
    """Open a lake and return the k tracks nearest to a text, track and file.

    They pass the filters. `like` is a track_id, its beginning, a path or a title. Raises UserError as `open_reader`
    and `answer` do.
    """
    given: list[tuple[PartKind, str | None]] = [("text", text), ("track", like), ("file", audio)]
    parts = tuple(QueryPart(kind, value) for kind, value in given if value is not None)
    return answer_query(settings, Query(parts, filters, k), embedding_version, release).hits


def answer_query(
    settings: Settings, query: Query, embedding_version: str | None = None, release: int | None = None
) -> Answer:
    """Open a lake and answer one query. A faulty query is refused before anything is opened.

    Raises UserError as `open_reader` and `answer` do.
    """
    require_answerable(query)
    return answer(open_reader(settings, embedding_version, release), query)


def tags(
    settings: Settings, track_or_file: str, embedding_version: str | None = None, release: int | None = None
) -> list[TagScore]:
    """Return the tags of a track or of an audio file, best first.

    Raises UserError if the version or the track does not exist, or if the file cannot be embedded.
    """
    if is_audio_file(track_or_file):
        outcome = embed_file(track_or_file, spec_for_files(settings), settings)
        return [TagScore(tag["name"], round(tag["score"], 4)) for tag in outcome.tags or []]
    version = resolve_version(settings, embedding_version, release)
    return read_tags(version.lake, version.spec, find_track(version.lake, version.spec, track_or_file))
