"""A path from track to track: `tonelake playlist --from TRACK --to TRACK`."""

import numpy as np

from flows.search.copies import find_originals
from flows.search.diversity import COLUMNS, artist_groups
from flows.search.filters import ParsedFilters
from flows.search.reader import Reader
from flows.search.track_rows import read_rows
from lake.embeddings.filters import Filter
from lake.embeddings.search import find_track, nearest_rows, read_vector
from lake.storage.arrow import is_in, string_column
from lake.storage.vectors import to_matrix
from schemas.errors import UserError
from schemas.search import SearchFilters
from workers.metrics.neighbours import unit_rows
from workers.recommend.path import choose_path, points_between
from workers.recommend.rerank import GroupLimit

_SPARE = 20  # candidates for each point besides those that other points may take


def find_path(
    reader: Reader, ends: tuple[str, str], count: int, per_artist: int | None, filters: SearchFilters
) -> list[str]:
    """Return the ids of at most `count` tracks from one track to another.

    Both ends are included, and the steps are even. Tracks between the ends pass the filters; at most `per_artist` of
    them are of one artist. They are no copies of each other or of an end. Raises UserError if an end is no track or
    has no rights, or if both are the same.
    """
    lake, spec = reader.lake, reader.spec
    start, end = (find_track(lake, spec, name) for name in ends)
    if start == end:
        raise UserError(f"a path leads from one track to another: {ends[0]!r} and {ends[1]!r} are the same")
    first, last = (unit_rows(read_vector(lake, spec, track_id)[None])[0] for track_id in (start, end))
    condition = ParsedFilters.parse(filters).make_filter(reader).narrow(without=(start, end))
    _require_available((start, end), condition)
    nearest: set[str] = set()
    for point in points_between(first, last, count - 2):
        rows = nearest_rows(lake, spec, point, count + _SPARE, ["track_id"], condition)
        nearest.update(rows["track_id"].to_pylist())
    rows = read_rows(reader, [start, end, *sorted(nearest)], COLUMNS)
    originals = find_originals(lake, rows)
    rows = rows.take(2 + np.flatnonzero(originals[2:] == np.arange(2, len(rows))))
    artists = artist_groups(rows["artist"].to_pylist())
    limit = GroupLimit(artists, per_artist or len(rows))
    chosen = choose_path(first, last, count - 2, unit_rows(to_matrix(rows["vector"])), limit)
    return [start, *rows["track_id"].take(chosen).to_pylist(), end]


def _require_available(track_ids: tuple[str, ...], condition: Filter) -> None:
    """Raise UserError if a track may not be played on that day in that territory."""
    if condition.unavailable is None:
        return
    refused = is_in(string_column(track_ids), condition.unavailable.ids).to_pylist()
    for track_id, is_refused in zip(track_ids, refused, strict=True):
        if is_refused:
            raise UserError(f"{track_id} may not be played then: name another track, or give --on or --any-date")
