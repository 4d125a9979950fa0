"""Facets: how many of the tracks that pass have each genre, tag, year and artist."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.search.filters import ParsedFilters
from flows.search.reader import Reader
from lake.embeddings.search import read_passing
from schemas.search import SearchFilters

COLUMNS = {"genre": "genres", "tag": "tag_names", "year": "year", "artist": "artist"}  # facet -> column
SHOWN = 200  # values of a facet, the most frequent first


@dataclass(frozen=True, slots=True)
class FacetCount:
    """A value and the number of tracks that have it."""

    value: str | int
    tracks: int


@dataclass(frozen=True, slots=True)
class Facets:
    """The counts of each facet, the most frequent value first; at most SHOWN. `tracks` counts those that pass."""

    tracks: int
    genre: tuple[FacetCount, ...]
    tag: tuple[FacetCount, ...]
    year: tuple[FacetCount, ...]
    artist: tuple[FacetCount, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return asdict(self)


def count_facets(reader: Reader, filters: SearchFilters) -> Facets:
    """Count the values of each facet over the tracks that pass. Raises UserError as `answer` does."""
    condition = ParsedFilters.parse(filters).make_filter(reader)
    rows = read_passing(reader.lake, reader.spec, list(COLUMNS.values()), condition)
    counts = {facet: tuple(_count(rows[column])) for facet, column in COLUMNS.items()}
    return Facets(len(rows), **counts)


def _count(column: pa.ChunkedArray) -> Iterable[FacetCount]:
    """Yield the most frequent values of a column, of lists too.

    Equal counts are in order of the values.
    """
    if pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    counted = pc.value_counts(column.drop_null())
    table = pa.table({"value": counted.field("values"), "tracks": counted.field("counts")})
    if pa.types.is_string(table["value"].type):
        table = table.filter(pc.not_equal(table["value"], ""))
    best = table.sort_by([("tracks", "descending"), ("value", "ascending")]).slice(0, SHOWN)
    return (FacetCount(row["value"], row["tracks"]) for row in best.to_pylist())
