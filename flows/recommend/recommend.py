"""`tonelake recommend`: tracks for one listener, in proportion to the listener's interests.

The nearest tracks of each interest come from the lake's vector index.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.recommend.history import MatchedHistory, nothing_matched, read_history, with_track_ids
from flows.search.version import ReadVersion, resolve_version
from lake.catalogue.rights import unavailable_tracks
from lake.embeddings.filters import Filter, TrackSet
from lake.embeddings.search import nearest_rows, resolve_filter
from lake.embeddings.stale import stale_times
from lake.storage.arrow import factorize, index_in, is_in
from lake.storage.filters import select_in
from lake.storage.vectors import to_matrix
from schemas.errors import UserError
from schemas.recommend import RecommendRequest
from schemas.rights import RightsFilter
from schemas.settings import Settings
from schemas.tables import embeddings_table
from workers.metrics.neighbours import unit_rows
from workers.recommend.interests import Interests, distinct_plays, find_interests
from workers.recommend.rerank import pool_size, rerank

_TRACK_COLUMNS = ["track_id", "title", "artist"]
_COLUMNS = [*_TRACK_COLUMNS, "content_sha256", "vector"]


@dataclass(frozen=True, slots=True)
class TrackLabel:
    """What a person needs to know a track by."""

    track_id: str
    title: str | None
    artist: str | None

    def __str__(self) -> str:
        return " by ".join(filter(None, (self.title, self.artist))) or self.track_id


@dataclass(frozen=True, slots=True)
class InterestSummary:
    """One interest of a listener, numbered from 1.

    `weight` is its share of the listening, `tracks` the number of its tracks in the history, `around` the played track
    that is nearest to its centroid.
    """

    interest: int
    weight: float
    tracks: int
    around: TrackLabel


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A recommended track; `score` is its cosine to the interest, `nearest_played` explains it.

    `stale_since`: its file has changed since then, or cannot be read.
    """

    rank: int
    track: TrackLabel
    score: float
    interest: int
    nearest_played: TrackLabel
    stale_since: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; the fields of the track stand beside the others."""
        return {
            "rank": self.rank,
            **asdict(self.track),
            "score": self.score,
            "interest": self.interest,
            "nearest_played": asdict(self.nearest_played),
            "stale_since": self.stale_since.isoformat() if self.stale_since else None,
        }


@dataclass(frozen=True, slots=True)
class Recommendations:
    """The recommendations to one listener, and the interests they come from."""

    encoder: str
    embedding_version: str
    history: MatchedHistory
    interests: tuple[InterestSummary, ...]
    recommended: tuple[Recommendation, ...]

    def to_json(self) -> dict[str, Any]:
        """Return everything but the plays as a JSON object."""
        return {
            "encoder": self.encoder,
            "embedding_version": self.embedding_version,
            "history": self.history.to_json(),
            "interests": [asdict(interest) for interest in self.interests],
            "recommended": [recommendation.to_json() for recommendation in self.recommended],
        }


def recommend(request: RecommendRequest, settings: Settings) -> Recommendations:
    """Recommend k tracks to one listener.

    No track of the history is recommended, no other track of the same content, and no content twice. Raises UserError
    if the history has several users or no track that the lake holds, or if the filter is not valid.
    """
    rights = RightsFilter.from_options(request.on, request.territory, request.any_date)
    plays = read_history(request.history)
    if len(pc.unique(plays["user_id"])) > 1:
        raise UserError(f"{request.history} is of several users: name a file for all of them with --out FILE.parquet")
    reader = resolve_version(settings, request.embedding_version, request.release)
    plays = with_track_ids(plays, request.history, reader)
    known = _rows_of(reader, pc.unique(plays["track_id"]))
    if not len(known):
        raise nothing_matched(request.history, reader.lake)
    history = MatchedHistory.match(plays, known["track_id"])
    rows = index_in(history.plays["track_id"], known["track_id"]).to_numpy().astype(int)
    distinct_rows, play_counts = distinct_plays(rows)
    played = known.take(pa.array(distinct_rows))
    vectors = unit_rows(to_matrix(played["vector"]))
    interests = find_interests(vectors, play_counts, request.interests)
    unavailable = TrackSet(unavailable_tracks(reader.lake, rights))
    filters = Filter(request.where, without=tuple(known["track_id"].to_pylist()), unavailable=unavailable)
    filters = resolve_filter(reader.lake, reader.spec, filters)
    candidates = _nearest_to_interests(reader, filters, pool_size(request.k), known, interests)
    return Recommendations(
        encoder=reader.spec.name,
        embedding_version=reader.spec.embedding_version,
        history=history,
        interests=_summarize_interests(interests, vectors, played),
        recommended=_rank_candidates(reader, request, interests, candidates, vectors, played),
    )


def _rows_of(reader: ReadVersion, track_ids: pa.Array) -> pa.Table:
    table = reader.lake.table(embeddings_table(reader.spec))
    return select_in(table, "track_id", track_ids.to_pylist(), _COLUMNS).sort_by("track_id")


def _nearest_to_interests(
    reader: ReadVersion, filters: Filter, wanted: int, history: pa.Table, interests: Interests
) -> pa.Table:
    """Return the `wanted` tracks nearest to each interest, of those that pass the filter.

    Each content is there once, and none of the history.
    """
    pools = []
    for centroid in interests.centroids:
        count = wanted
        while True:
            rows = nearest_rows(reader.lake, reader.spec, centroid, count, _COLUMNS, filters).select(_COLUMNS)
            is_played = is_in(rows["content_sha256"], history["content_sha256"])
            pool = _distinct_contents(rows.filter(pc.invert(is_played)))
            if len(pool) >= wanted or len(rows) < count:
                break
            count *= 2  # copies of played tracks, or of each other, used up the limit
        pools.append(pool)
    return _distinct_contents(pa.concat_tables(pools))


def _distinct_contents(rows: pa.Table) -> pa.Table:
    """Keep the first track_id of each content."""
    rows = rows.sort_by("track_id")
    _, first = np.unique(factorize(rows["content_sha256"]), return_index=True)
    return rows.take(pa.array(np.sort(first)))


def _rank_candidates(
    reader: ReadVersion,
    request: RecommendRequest,
    interests: Interests,
    candidates: pa.Table,
    played_vectors: np.ndarray,
    played: pa.Table,
) -> tuple[Recommendation, ...]:
    vectors = unit_rows(to_matrix(candidates["vector"]))
    ranked = rerank(interests.centroids @ vectors.T, vectors, interests.weights, request.k, request.diversity)
    nearest_played = (vectors[ranked.rows] @ played_vectors.T).argmax(axis=1)
    tracks = _labels(candidates, ranked.rows)
    stale = stale_times(reader.lake, reader.spec, [track.track_id for track in tracks])
    columns = zip(
        tracks,
        ranked.scores,
        ranked.interests,
        _labels(played, nearest_played),
        strict=True,
    )
    return tuple(
        Recommendation(
            rank, track, round(float(score), 6), int(interest) + 1, nearest, stale_since=stale.get(track.track_id)
        )
        for rank, (track, score, interest, nearest) in enumerate(columns, start=1)
    )


def _summarize_interests(interests: Interests, vectors: np.ndarray, played: pa.Table) -> tuple[InterestSummary, ...]:
    is_member = interests.labels == np.arange(len(interests.weights))[:, None]
    nearest = np.where(is_member, interests.centroids @ vectors.T, -np.inf).argmax(axis=1)
    columns = zip(interests.weights, np.bincount(interests.labels), _labels(played, nearest), strict=True)
    return tuple(
        InterestSummary(number, round(float(weight), 4), int(count), around)
        for number, (weight, count, around) in enumerate(columns, start=1)
    )


def _labels(tracks: pa.Table, indices: np.ndarray) -> list[TrackLabel]:
    rows = tracks.select(_TRACK_COLUMNS).take(pa.array(indices, pa.int64())).to_pylist()
    return [TrackLabel(**row) for row in rows]
