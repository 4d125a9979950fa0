"""Which parts of a query found a hit, in words."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flows.search.ranking import Ranking
from flows.search.reader import Reader
from flows.search.track_rows import read_rows
from lake.catalogue.track_names import MIN_PREFIX, is_full_id
from schemas.search import QueryPart, SearchHit

_MAX_LISTED = 3  # tracks of a query


def explain(reader: Reader, hits: Sequence[SearchHit], ranking: Ranking, k: int) -> list[SearchHit]:
    """Return the hits with what found each.

    That is its sound, the names that the query has, or both. The sound has a line for each part. A named track has
    none if it is not among the k that are nearest by sound alone.
    """
    rows = read_rows(reader, [hit.track_id for hit in hits], ["vector"])
    vectors = dict(zip(rows["track_id"].to_pylist(), rows["vector"].to_pylist(), strict=True))
    by_sound = replace(ranking, named=()).first(k)[0]["track_id"].to_pylist() if ranking.named else []
    matches = {track.track_id: track.matches for track in ranking.named}
    parts = [part.part for part in ranking.parts]

    def reasons(track_id: str) -> list[str]:
        cosines = [float(part.vector @ np.asarray(vectors[track_id], np.float32)) for part in ranking.parts]
        sounds = _describe(parts, cosines) if track_id in by_sound or track_id not in matches else []
        return [*sounds, *(f"name: {match}" for match in matches.get(track_id, ()))]

    return [replace(hit, found_by=tuple(reasons(hit.track_id))) for hit in hits]


def _describe(parts: Sequence[QueryPart], cosines: Sequence[float]) -> list[str]:
    """Return a line for each part.

    Many tracks, such as those of an artist, share a line.
    """
    if len(parts) == 1:
        return [f"sound: cosine {cosines[0]:.3f}"]
    of_tracks = [cosine for part, cosine in zip(parts, cosines, strict=True) if part.kind == "track"]
    many = len(of_tracks) > _MAX_LISTED
    lines = (
        [f"sound: cosine {sum(of_tracks) / len(of_tracks):.3f} with {len(of_tracks)} tracks, in the mean"]
        if many
        else []
    )
    return lines + [
        f"sound: cosine {cosine:.3f} with {part.value[:MIN_PREFIX] if is_full_id(part.value) else repr(part.value)}"
        for part, cosine in zip(parts, cosines, strict=True)
        if not (many and part.kind == "track")
    ]
