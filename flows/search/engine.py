"""The query engine: a query and a reader give an answer.

Imports neither Ray nor Prefect.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa

from flows.search.blend import blend
from flows.search.diversity import COLUMNS, choose
from flows.search.filters import ParsedFilters
from flows.search.reader import Reader
from flows.search.version import is_audio_file
from lake.catalogue.track_names import only_match
from lake.embeddings.filters import Filter
from lake.embeddings.search import cosines, find_tracks, hit_columns, make_hits, nearest_rows, passing_rows
from lake.embeddings.segments import best_moments, nearest_segments
from schemas.errors import UserError
from schemas.search import Answer, Query, QueryPart, SearchHit


@dataclass(frozen=True, slots=True)
class ResolvedPart:
    """A part of a query with its unit vector, float32 [dim]. `part.value` of a track is its id."""

    part: QueryPart
    vector: np.ndarray


def answer(reader: Reader, query: Query) -> Answer:
    """Return the k best tracks that pass the query's filters.

    Without parts, these are k tracks that pass, by the score of the tags if the filters have some. Raises UserError if
    the query is empty or ambiguous, if the track, or a filter's column or tag does not exist, or if the lake has no
    descriptions to filter by.
    """
    parsed = require_answerable(query)
    parts = [resolve_part(reader, part) for part in query.parts]
    condition = parsed.make_filter(reader)
    if query.segments:
        return Answer(_segments(reader, query, parts, condition))
    find = partial(_nearest if parts else _passing, reader, query, parts, condition)
    choice = choose(reader.lake, query, find)
    hits = make_hits(reader.lake, reader.spec, choice.rows, choice.scores)
    hits = [replace(hit, copies=copies) for hit, copies in zip(hits, choice.copies, strict=True)]
    if parts:
        best = best_moments(reader.lake, reader.spec, choice.rows, _blend(parts))
        hits = [replace(hit, best=best.get(hit.track_id)) for hit in hits]
    texts = [part.value for part in query.parts if part.kind == "text"]
    return Answer(hits, tuple(filter(None, [*map(reader.text.remark_on, texts), choice.remark])))


def require_answerable(query: Query) -> ParsedFilters:
    """Return the query's filters, understood. Raises UserError if the query is empty or a filter is none."""
    if not query.parts and not query.filters.are_named():
        raise UserError("search for what? Give TEXT, --like TRACK_or_FILE, --where SQL or --tag NAME")
    if query.segments and not query.parts:
        raise UserError("segments of what? Give TEXT, --like TRACK_or_FILE or --audio FILE beside --segments")
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


def _nearest(
    reader: Reader, query: Query, parts: list[ResolvedPart], condition: Filter, count: int
) -> tuple[pa.Table, list[float | None]]:
    """Return the rows nearest to the parts, but for the parts themselves, and their scores."""
    condition = replace(condition, without=_own_tracks(parts))
    rows = nearest_rows(reader.lake, reader.spec, _blend(parts), count, _columns(reader, query), condition)
    return rows, cosines(rows)


def _segments(reader: Reader, query: Query, parts: list[ResolvedPart], condition: Filter) -> list[SearchHit]:
    """Return the moments nearest to the parts, of any track but those of the parts."""
    lake, spec, columns = reader.lake, reader.spec, hit_columns(reader.lake, reader.spec)
    condition = replace(condition, without=_own_tracks(parts))
    rows, moments = nearest_segments(lake, spec, _blend(parts), query.k, columns, condition)
    hits = make_hits(lake, spec, rows, [moment.score for moment in moments])
    return [replace(hit, best=moment) for hit, moment in zip(hits, moments, strict=True)]


def _blend(parts: list[ResolvedPart]) -> np.ndarray:
    return blend([part.vector for part in parts], [part.part.weight for part in parts])


def _own_tracks(parts: list[ResolvedPart]) -> tuple[str, ...]:
    return tuple(part.part.value for part in parts if part.part.kind == "track")


def _passing(
    reader: Reader, query: Query, _: list[ResolvedPart], condition: Filter, count: int
) -> tuple[pa.Table, list[float | None]]:
    return passing_rows(reader.lake, reader.spec, count, _columns(reader, query), condition)


def _columns(reader: Reader, query: Query) -> list[str]:
    """Return the columns of hits, and those that a choice among them needs."""
    columns = hit_columns(reader.lake, reader.spec)
    return list(dict.fromkeys([*columns, *COLUMNS])) if query.is_diverse else columns
