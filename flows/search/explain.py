"""Which parts of a query found a hit, in words."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from flows.search.name_matches import NamedTrack
from flows.search.reader import Reader
from lake.catalogue.track_names import MIN_PREFIX, is_full_id
from lake.storage.filters import select_in
from schemas.search import QueryPart, SearchHit
from schemas.tables import embeddings_table

_MAX_LISTED = 3  # tracks of a query


def explain(
    reader: Reader,
    hits: Sequence[SearchHit],
    parts: Sequence[tuple[QueryPart, np.ndarray]],
    by_sound: Collection[str],
    tracks: Mapping[str, NamedTrack],
) -> list[SearchHit]:
    """Return the hits with what found each.

    That is the cosine with every part, and the names that the query has.

    Each part comes with its unit vector, float32 [dim]. `by_sound` are the ids that the vectors found, `tracks` those
    that are named.
    """
    table = reader.lake.table(embeddings_table(reader.spec))
    rows = select_in(table, "track_id", [hit.track_id for hit in hits], ["track_id", "vector"])
    vectors = dict(zip(rows["track_id"].to_pylist(), rows["vector"].to_pylist(), strict=True))

    def reasons(track_id: str) -> list[str]:
        cosines = [float(vector @ np.asarray(vectors[track_id], np.float32)) for _, vector in parts]
        sounds = _describe([part for part, _ in parts], cosines) if track_id in by_sound else []
        return [*sounds, *(f"name: {match}" for match in (tracks[track_id].matches if track_id in tracks else ()))]

    return [replace(hit, found_by=tuple(reasons(hit.track_id))) for hit in hits]


def _describe(parts: Sequence[QueryPart], cosines: Sequence[float]) -> list[str]:
    """Return a line for each part.

    Many tracks, such as those of an artist, share a line."""
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
