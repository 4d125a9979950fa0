"""The moments of one track, near to a query or to the track itself."""

from collections.abc import Sequence

from flows.search.engine import resolve_part
from flows.search.ranking import Ranking
from flows.search.reader import Reader
from flows.search.track_rows import read_rows
from lake.embeddings.filters import NO_FILTER
from lake.embeddings.segments import all_moments
from schemas.search import Moment, QueryPart


def find_track_moments(reader: Reader, track_id: str, parts: Sequence[QueryPart]) -> list[Moment]:
    """Return the moments of a track that are near to a query, the best first.

    `parts` are those of the query. Without any, these are the moments nearest to the track's vector. There are none
    if the lake keeps no windows of the track. The release has the track. Raises UserError as `answer` does.
    """
    parts = parts or (QueryPart("track", track_id),)
    ranking = Ranking(reader, [resolve_part(reader, part) for part in parts], NO_FILTER, [])
    rows = read_rows(reader, [track_id], ["source_version", "duration_s"])
    return all_moments(reader.lake, reader.spec, rows, ranking.score).get(track_id, [])
