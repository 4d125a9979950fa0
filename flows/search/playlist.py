"""`tonelake playlist`: tracks of a query, a path or a list, in order.

Imports neither Ray nor Prefect.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flows.search.diversity import artist_groups
from flows.search.engine import answer
from flows.search.filters import ParsedFilters
from flows.search.listed_tracks import find_listed
from flows.search.playlist_files import label
from flows.search.reader import Reader, open_reader
from flows.search.track_path import find_path
from flows.search.track_rows import read_hits, read_rows
from lake.storage.vectors import to_matrix
from schemas.descriptions import to_camelot
from schemas.errors import UserError
from schemas.playlists import COUNT, Playlist, PlaylistRequest, PlaylistTrack
from schemas.search import MAX_COMPARED, Query, SearchHit
from schemas.settings import Settings
from workers.metrics.neighbours import unit_rows
from workers.recommend.flow import order_for_flow, transition_costs

_FIRST_CANDIDATES = 32  # of a playlist with a length; twice as many if they are too short, and so on


def make_playlist(
    settings: Settings, request: PlaylistRequest, embedding_version: str | None = None, release: int | None = None
) -> Playlist:
    """Open a lake and make a playlist.

    Raises UserError as `open_reader` and `answer` do, or if there is no track for it.
    """
    ParsedFilters.parse(request.filters)  # a faulty filter is refused before anything is opened
    return compose_playlist(open_reader(settings, embedding_version, release), request)


def compose_playlist(reader: Reader, request: PlaylistRequest) -> Playlist:
    """Make a playlist of what a reader reads.

    Raises UserError as `answer` does, or if there is no track for it.
    """
    remarks: tuple[str, ...] = ()
    if request.start is not None and request.end is not None:
        count, ends = request.count or COUNT, (request.start, request.end)
        hits = read_hits(reader, find_path(reader, ends, count, request.per_artist, request.filters))
        remarks = () if len(hits) == count else (_too_few(f"{count} tracks"),)
    elif request.tracks is not None:
        track_ids, remarks = find_listed(reader, request.tracks, request.filters)
        hits = read_hits(reader, track_ids)
    else:
        hits, remarks = _choose_hits(reader, request)
    if not hits:
        raise UserError("no track passes: ask with fewer filters, or for more minutes")
    vectors = unit_rows(to_matrix(read_rows(reader, [hit.track_id for hit in hits], ["vector"])["vector"]))
    if request.order == "flow" and request.start is None:
        order = order_for_flow(_costs(hits, vectors))
        hits, vectors = [hits[index] for index in order], vectors[order]
    steps = [None, *(round(float(step), 6) for step in np.sum(vectors[1:] * vectors[:-1], axis=1))]
    hits = [replace(hit, rank=position) for position, hit in enumerate(hits, start=1)]
    title = request.title or f"{label(hits[0])} to {label(hits[-1])}"
    return Playlist(title, tuple(map(PlaylistTrack, hits, steps)), remarks)


def _choose_hits(reader: Reader, request: PlaylistRequest) -> tuple[list[SearchHit], tuple[str, ...]]:
    """Return the best hits that the playlist has room for, and remarks."""
    count = (request.count or COUNT) if request.minutes is None else None
    wanted = count or _FIRST_CANDIDATES
    while True:
        options = {"per_artist": request.per_artist, "diversity": request.diversity}
        answered = answer(reader, Query(request.parts, request.filters, wanted, distinct=True, **options))
        hits = answered.hits
        chosen = hits[:count] if count else fill(hits, 60 * (request.minutes or 0))
        is_full = len(chosen) == count if count else len(chosen) < len(hits)
        if is_full or len(hits) < wanted or wanted == MAX_COMPARED:
            break
        wanted = min(2 * wanted, MAX_COMPARED)
    length = f"{count} tracks" if count else f"{request.minutes:g} minutes"
    return chosen, answered.remarks if is_full else (*answered.remarks, _too_few(length))


def _too_few(length: str) -> str:
    return f"fewer than {length} pass: more may with a higher --per-artist, or fewer filters"


def fill(hits: Sequence[SearchHit], seconds: float) -> list[SearchHit]:
    """Return the hits that fit into a length: each that still fits, the best first."""
    chosen = []
    for hit in hits:
        if hit.duration_s is not None and hit.duration_s <= seconds:
            chosen.append(hit)
            seconds -= hit.duration_s
    return chosen


def _costs(hits: Sequence[SearchHit], vectors: np.ndarray) -> np.ndarray:
    """Return the cost of each pair of hits as neighbours, float [N, N]."""
    artists = artist_groups(hit.artist for hit in hits)
    camelots = [to_camelot(hit.musical_key, hit.mode) if hit.musical_key and hit.mode else None for hit in hits]
    return transition_costs(vectors, artists, [hit.bpm for hit in hits], camelots)
