"""The query engine: a query and a reader give an answer.

Imports neither Ray nor Prefect.
"""

from dataclasses import dataclass, replace

import numpy as np

from flows.search.blend import blend
from flows.search.explain import explain
from flows.search.filters import ParsedFilters
from flows.search.name_matches import best_named, fuse
from flows.search.reader import Reader
from flows.search.understand import understand
from flows.search.version import is_audio_file
from lake.catalogue.track_names import only_match
from lake.embeddings.filters import Filter
from lake.embeddings.search import cosines, find_tracks, hit_columns, make_hits, nearest_rows, passing_hits
from lake.storage.filters import in_clause
from schemas.errors import UserError
from schemas.search import Answer, Query, QueryPart, SearchHit


@dataclass(frozen=True, slots=True)
class ResolvedPart:
    """A part of a query with its unit vector, float32 [dim]. `part.value` of a track is its id."""

    part: QueryPart
    vector: np.ndarray


def answer(reader: Reader, query: Query) -> Answer:
    """Return the k best tracks that pass the query's filters.

    Tracks that the query names are among them. Without parts, these are k tracks that pass, by the score of the tags
    if the filters have some. Raises UserError if the query is empty or ambiguous, if the track, or a filter's column
    or tag does not exist, or if the lake has no descriptions to filter by.
    """
    understood = understand(reader, query, require_answerable(query).make_filter(reader))
    query, condition = understood.query, understood.condition
    parts = [resolve_part(reader, part) for part in query.parts]
    hits = (
        _nearest(reader, query, parts, condition)
        if parts
        else passing_hits(reader.lake, reader.spec, query.k, condition)
    )
    by_sound = {hit.track_id for hit in hits}
    if tracks := best_named(understood.tracks, query.k):
        named = replace(condition, conditions=(*condition.conditions, in_clause("track_id", tracks)))
        hits = fuse(hits, _nearest(reader, replace(query, k=len(tracks)), parts, named), tracks, query.k)
    if query.explain:
        hits = explain(reader, hits, [(part.part, part.vector) for part in parts], by_sound, tracks)
    texts = [part.value for part in query.parts if part.kind == "text" and not tracks]
    return Answer(hits, (*understood.remarks, *filter(None, map(reader.text.remark_on, texts))))


def require_answerable(query: Query) -> ParsedFilters:
    """Return the query's filters, understood. Raises UserError if the query is empty or a filter is none."""
    if not query.parts and not query.filters.are_named():
        raise UserError("search for what? Give TEXT, --like TRACK_or_FILE, --where SQL or --tag NAME")
    if any(part.kind == "text" and not part.value.strip() for part in query.parts):
        raise UserError("an empty text finds nothing: describe in words what you look for")
    return ParsedFilters.parse(query.filters)


def resolve_part(reader: Reader, part: QueryPart) -> ResolvedPart:
    """Return a part with its vector. A path that is no track's is an audio file.

    Raises UserError if the track or the file does not exist or cannot be read.
    """
    if part.kind == "track":
        matches = find_tracks(reader.lake, reader.spec, part.value)
        if not matches and is_audio_file(part.value):
            part = replace(part, kind="file")
        else:
            part = replace(part, value=only_match(part.value, matches))
    return ResolvedPart(part, reader.embed(part))


def _nearest(reader: Reader, query: Query, parts: list[ResolvedPart], condition: Filter) -> list[SearchHit]:
    """Return the tracks nearest to the parts, but for the parts themselves."""
    vector = blend([part.vector for part in parts], [part.part.weight for part in parts])
    own_tracks = tuple(part.part.value for part in parts if part.part.kind == "track")
    condition = replace(condition, without=own_tracks)
    rows = nearest_rows(reader.lake, reader.spec, vector, query.k, hit_columns(reader.lake, reader.spec), condition)
    return make_hits(reader.lake, reader.spec, rows, cosines(rows))
