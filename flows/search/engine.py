"""The query engine: a query and a reader give an answer.

Imports neither Ray nor Prefect.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pyarrow as pa

from flows.search.diversity import COLUMNS, choose
from flows.search.explain import explain
from flows.search.filters import ParsedFilters
from flows.search.name_matches import best_named
from flows.search.ranking import Ranking, ResolvedPart
from flows.search.reader import Reader
from flows.search.track_rows import read_rows
from flows.search.understand import understand
from flows.search.version import is_audio_file
from lake.catalogue.track_names import only_match
from lake.embeddings.search import find_tracks, hit_columns, make_hits
from lake.embeddings.segments import best_moments, nearest_segments
from lake.storage.filters import in_clause
from schemas.errors import UserError
from schemas.search import Answer, Query, QueryPart, SearchHit


def answer(reader: Reader, query: Query) -> Answer:
    """Return the k best tracks that pass the query's filters.

    Tracks that the query names are among them. Without parts, these are k tracks that pass, by the score of the tags
    if the filters have some. Raises UserError if the query is empty or ambiguous, if the track, or a filter's column
    or tag does not exist, or if the lake has no descriptions to filter by.
    """
    understood = understand(reader, query, require_answerable(query).make_filter(reader))
    query = understood.query
    parts = [resolve_part(reader, part) for part in query.parts]
    columns = hit_columns(reader.lake, reader.spec)
    if query.is_diverse:
        columns = list(dict.fromkeys([*columns, *COLUMNS]))
    ranking = Ranking(reader, parts, understood.condition, columns, understood.tracks)
    texts = [part.value for part in query.parts if part.kind == "text" and not understood.tracks]
    remarks = [*understood.remarks, *filter(None, map(reader.text.remark_on, texts))]
    if query.segments:
        return Answer(_segments(reader, query.k, ranking), tuple(remarks))
    choice = choose(reader.lake, query, ranking.first, partial(read_rows, reader, ranking.own_tracks, COLUMNS))
    with ThreadPoolExecutor(1) as beside:  # two tables are read at the same time
        moments = beside.submit(best_moments, reader.lake, reader.spec, choice.rows, ranking.score) if parts else None
        hits = make_hits(reader.lake, reader.spec, choice.rows, choice.scores)
    best = moments.result() if moments else {}
    hits = [
        replace(hit, copies=copies, best=best.get(hit.track_id))
        for hit, copies in zip(hits, choice.copies, strict=True)
    ]
    if query.explain:
        hits = explain(reader, hits, ranking, query.k)
    return Answer(hits, tuple(filter(None, [*remarks, choice.remark])))


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
    """Return a part with its vector. A path that is no track's is an audio file, if the reader opens files.

    Raises UserError if the track or the file does not exist or cannot be read.
    """
    if part.kind == "track":
        matches = find_tracks(reader.lake, reader.spec, part.value)
        if not matches and reader.uploads is None and is_audio_file(part.value):
            part = replace(part, kind="file")
        else:
            part = replace(part, value=only_match(part.value, matches))
    return ResolvedPart(part, reader.embed(part))


def _segments(reader: Reader, k: int, ranking: Ranking) -> list[SearchHit]:
    """Return the moments nearest to the parts, of any track but those of the parts.

    Those of tracks whose names lead come first; other names do not count.
    """
    lake, spec, searched = reader.lake, reader.spec, ranking.searched
    leading = [name for name, track in best_named(ranking.named, k).items() if track.leads]
    conditions = [searched]
    if leading:
        conditions = [searched.narrow(in_clause("track_id", leading)), searched.narrow(without=leading)]
    answers = [
        nearest_segments(lake, spec, ranking.vector, ranking.score, k, ranking.columns, condition)
        for condition in conditions
    ]
    moments = [moment for _, moments in answers for moment in moments][:k]
    rows = pa.concat_tables([rows for rows, _ in answers]).slice(0, k)
    hits = make_hits(lake, spec, rows, [moment.score for moment in moments])
    return [replace(hit, best=moment) for hit, moment in zip(hits, moments, strict=True)]
