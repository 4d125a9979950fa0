"""`tonelake recommend --out FILE`: tracks for every user of a file of plays.

The whole encoder version is read into memory once, and users are handled in blocks.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.console.atomic_file import write_atomically
from flows.console.progress import with_progress
from flows.recommend.candidates import CandidateSet
from flows.recommend.history import MatchedHistory, nothing_matched, read_history, with_track_ids
from flows.search.version import resolve_version
from lake.catalogue.rights import unavailable_tracks
from lake.embeddings.filters import Filter, TrackSet
from lake.storage.arrow import factorize
from schemas.errors import UserError
from schemas.recommend import RecommendRequest
from schemas.rights import RightsFilter
from schemas.settings import Settings
from workers.recommend.interests import MAX_INTERESTS, distinct_plays, find_interests
from workers.recommend.rerank import rerank

_MAX_COSINES = 1 << 26  # in memory at once: 256 MB

SCHEMA = pa.schema(
    [
        pa.field("user_id", pa.string()),
        pa.field("rank", pa.int32()),
        pa.field("track_id", pa.string()),
        pa.field("title", pa.string()),
        pa.field("artist", pa.string()),
        pa.field("score", pa.float32()),  # cosine to the interest
        pa.field("interest", pa.int32()),  # from 1, the heaviest first
        pa.field("weight", pa.float32()),  # the interest's share of the listening
        pa.field("nearest_played", pa.string()),  # track_id of the nearest track that the user played
        pa.field("stale_since", pa.timestamp("us", tz="UTC")),  # the file is missing, damaged or changed since then
    ]
)


@dataclass(frozen=True, slots=True)
class RecommendedFile:
    """The written file, its encoder version, and how many users have recommendations."""

    users: int
    recommended_to: int
    history: MatchedHistory
    encoder: str
    embedding_version: str
    file: str

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; the counts of the history stand beside the others."""
        return {
            "users": self.users,
            "recommended_to": self.recommended_to,
            "without_a_held_track": self.users - self.recommended_to,
            **self.history.to_json(),
            "encoder": self.encoder,
            "embedding_version": self.embedding_version,
            "file": self.file,
        }


@dataclass(frozen=True, slots=True)
class _UserPlays:
    """The plays of one user in order of time.

    `contents` [M] are candidate indices, `track_ids` [M] the played tracks.
    """

    user_id: str
    contents: np.ndarray
    track_ids: np.ndarray


def recommend_to_all(request: RecommendRequest, settings: Settings, out: Path) -> RecommendedFile:
    """Recommend k tracks to every user of the history.

    They are written as Parquet of SCHEMA; the file appears whole or not at all. Raises UserError if it cannot be
    written to `out`, if the lake holds no track of the history, or if the filter is not valid.
    """
    rights = RightsFilter.from_options(request.on, request.territory, request.any_date)
    plays = read_history(request.history)
    if out.suffix != ".parquet" or out.is_dir() or (out.exists() and out.samefile(request.history)):
        raise UserError(f"cannot write {out}: name a file of its own that ends in .parquet")
    reader = resolve_version(settings, request.embedding_version, request.release)
    plays = with_track_ids(plays, request.history, reader)
    filters = Filter(request.where, unavailable=TrackSet(unavailable_tracks(reader.lake, rights)))
    candidates = CandidateSet.load(reader.lake, reader.spec, filters)
    history = MatchedHistory.match(plays, candidates.track_ids)
    if not history.matched:
        raise nothing_matched(request.history, reader.lake)
    users = _plays_by_user(history.plays, candidates)
    block_users = max(1, _MAX_COSINES // (len(candidates.vectors) * (request.interests or MAX_INTERESTS)))
    starts = range(0, len(users), block_users)
    with write_atomically(out) as unfinished, pq.ParquetWriter(unfinished, SCHEMA, compression="zstd") as writer:
        for start in with_progress(starts, "recommending", len(starts)):
            writer.write_table(_recommend_to_block(request, candidates, users[start : start + block_users]))
    return RecommendedFile(
        users=len(pc.unique(plays["user_id"])),
        recommended_to=len(users),
        history=history,
        encoder=reader.spec.name,
        embedding_version=reader.spec.embedding_version,
        file=str(out),
    )


def _plays_by_user(plays: pa.Table, candidates: CandidateSet) -> list[_UserPlays]:
    numbers = factorize(plays["user_id"])
    user_ids = pc.unique(plays["user_id"]).to_pylist()  # in order of appearance, as the numbers are
    order = np.argsort(numbers, kind="stable")
    ends = np.cumsum(np.bincount(numbers))[:-1]
    contents = np.split(candidates.indices(plays["track_id"])[order], ends)
    track_ids = np.split(plays["track_id"].to_numpy()[order], ends)
    return [_UserPlays(*columns) for columns in zip(user_ids, contents, track_ids, strict=True)]


def _recommend_to_block(request: RecommendRequest, candidates: CandidateSet, users: list[_UserPlays]) -> pa.Table:
    """Recommend to some users with one product of all their interests and all candidate vectors."""
    vectors = candidates.vectors
    histories = [distinct_plays(user.contents) for user in users]
    interests = [find_interests(vectors[contents], counts, request.interests) for contents, counts in histories]
    scores = np.concatenate([user_interests.centroids for user_interests in interests]) @ vectors.T
    scores[:, ~candidates.matches_filter] = -np.inf
    tables = []
    start = 0
    for user, (contents, _), user_interests in zip(users, histories, interests, strict=True):
        weights = user_interests.weights
        user_scores = scores[start : start + len(weights)]
        start += len(weights)
        user_scores[:, user.contents] = -np.inf
        ranked = rerank(user_scores, vectors, weights, request.k, request.diversity)
        nearest_played = contents[(vectors[ranked.rows] @ vectors[contents].T).argmax(axis=1)]
        played_ids = dict(zip(user.contents.tolist(), user.track_ids, strict=True))
        metadata = candidates.metadata.take(pa.array(ranked.rows, pa.int64()))
        columns = {
            "user_id": pa.array([user.user_id] * len(metadata), pa.string()),
            "rank": pa.array(np.arange(1, len(metadata) + 1)),
            "track_id": metadata["track_id"],
            "title": metadata["title"],
            "artist": metadata["artist"],
            "score": pa.array(ranked.scores),
            "interest": pa.array(ranked.interests + 1),
            "weight": pa.array(weights[ranked.interests]),
            "nearest_played": pa.array([played_ids[content] for content in nearest_played.tolist()], pa.string()),
            "stale_since": metadata["stale_since"],
        }
        tables.append(pa.table([columns[field.name].cast(field.type) for field in SCHEMA], schema=SCHEMA))
    return pa.concat_tables(tables)
