"""`tonelake recommend`: a listener's interests, each asked for its share; for one to read, or for many in a file.

One listener's interests are searched for in the lake's index; of many the whole version is read once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flows.console.atomic_file import writing
from flows.console.progress import track
from flows.recommend.candidates import Pool
from flows.search.search import held
from lake.embeddings.search import Filter, nearest_rows
from lake.sources.interactions import read_interactions
from lake.storage.arrow import codes, is_among, place_in
from lake.storage.filters import rows_among
from lake.storage.lake import Lake
from lake.storage.vectors import matrix
from schemas.encoders import EncoderSpec
from schemas.errors import UserError
from schemas.recommend import RecommendRequest
from schemas.settings import Settings
from schemas.tables import embeddings_table
from workers.metrics.neighbours import unit_rows
from workers.recommend.interests import MOST, Interests, interests, listened
from workers.recommend.rerank import candidates, recommended

Row = dict[str, Any]
_CELLS = 1 << 26  # cosines at once: 256 MB
_NAMED = ["track_id", "title", "artist"]
_COLUMNS = [*_NAMED, "content_sha256", "vector"]
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
        pa.field("because", pa.string()),  # track_id of the nearest track that the listener played
    ]
)


@dataclass(frozen=True, slots=True)
class Held:
    """What the lake holds of a file of plays: `played` are those, `tracks` of the file's `named` distinct ones."""

    played: pa.Table
    named: int
    tracks: int
    missing: tuple[str, ...]  # a few of the others

    @property
    def told(self) -> Row:
        return {"tracks": self.named, "held": self.tracks, "not_held": self.named - self.tracks} | {
            "for_example": list(self.missing)
        }


def recommend(request: RecommendRequest, settings: Settings) -> Row:
    """To one listener: what of the history is held, the interests, and the k tracks, each with what it is near to."""
    played = _read(request)
    if len(pc.unique(played["user_id"])) > 1:
        raise UserError(f"{request.history} is of several users: name a file for all of them with --out FILE.parquet")
    lake, spec = held(settings, request.embedding_version, request.number)
    known = _rows_of(lake, spec, pc.unique(played["track_id"]))
    if not len(known):
        raise UserError(_nothing(request, lake))
    here = _held(played, known["track_id"])
    items, plays = listened(place_in(here.played["track_id"], known["track_id"]).to_numpy().astype(int))
    tracks = known.take(pa.array(items))
    rows = unit_rows(matrix(tracks["vector"]))
    found = interests(rows, plays, request.interests)
    pool = _asked(lake, spec, request, known, found)
    chosen = _choose(request, found, rows, unit_rows(matrix(pool["vector"])))
    return {
        "encoder": spec.name,
        "embedding_version": spec.embedding_version,
        "history": here.told,
        "interests": _interest_rows(found, rows, tracks),
        "recommended": [
            {"rank": rank, **named, "score": round(float(score), 6), "interest": int(interest) + 1, "because": because}
            for rank, (named, score, interest, because) in enumerate(
                zip(
                    _named(pool, chosen.places),
                    chosen.scores,
                    chosen.interests,
                    _named(tracks, chosen.because),
                    strict=True,
                ),
                start=1,
            )
        ],
    }


def recommend_to_all(request: RecommendRequest, settings: Settings, out: Path) -> Row:
    """To every user of the file, as Parquet of SCHEMA; the file appears whole or not at all. Returns the counts."""
    played = _read(request)
    if out.suffix != ".parquet" or out.is_dir() or (out.exists() and out.samefile(request.history)):
        raise UserError(f"cannot write {out}: name a file of its own that ends in .parquet")
    lake, spec = held(settings, request.embedding_version, request.number)
    pool = Pool.of(lake, spec, request.where)
    here = _held(played, pool.track_ids)
    if not here.tracks:
        raise UserError(_nothing(request, lake))
    numbers, items = codes(here.played["user_id"]), pool.items(here.played["track_id"])
    names = pc.unique(here.played["user_id"])  # in order of appearance, as the numbers are
    order = np.argsort(numbers, kind="stable")
    ends = np.cumsum(np.bincount(numbers))[:-1]
    histories, ids = np.split(items[order], ends), np.split(here.played["track_id"].to_numpy()[order], ends)
    at_once = max(1, _CELLS // (len(pool.rows) * (request.interests or MOST)))
    starts = range(0, len(histories), at_once)
    with writing(out) as unfinished, pq.ParquetWriter(unfinished, SCHEMA, compression="zstd") as writer:
        for start in track(starts, "recommending", len(starts)):
            block = slice(start, start + at_once)
            writer.write_table(_block(request, pool, names[block].to_pylist(), histories[block], ids[block]))
    users = len(pc.unique(played["user_id"]))
    counts = {"users": users, "recommended_to": len(histories), "without_a_held_track": users - len(histories)}
    return counts | here.told | {"encoder": spec.name, "embedding_version": spec.embedding_version, "file": str(out)}


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Rows of the pool, their interests, cosines, and the nearest track of the history for each."""

    places: np.ndarray
    interests: np.ndarray
    scores: np.ndarray
    because: np.ndarray


def _read(request: RecommendRequest) -> pa.Table:
    played = read_interactions(request.history, of_many=False)
    if not len(played):
        raise UserError(f"{request.history} names no track; give track_id, and perhaps user_id and timestamp")
    return played


def _held(played: pa.Table, known: pa.ChunkedArray) -> Held:
    there = is_among(played["track_id"], known)
    named = pc.unique(played["track_id"])
    missing = pc.unique(played["track_id"].filter(pc.invert(there)))
    return Held(played.filter(there), len(named), len(named) - len(missing), tuple(missing[:3].to_pylist()))


def _nothing(request: RecommendRequest, lake: Lake) -> str:
    return f"{lake.uri} holds no track of {request.history}: are its track_ids those that `tonelake search` prints?"


def _rows_of(lake: Lake, spec: EncoderSpec, track_ids: pa.Array) -> pa.Table:
    table = lake.table(embeddings_table(spec))
    return rows_among(table, "track_id", track_ids.to_pylist(), _COLUMNS).sort_by("track_id")


def _asked(lake: Lake, spec: EncoderSpec, request: RecommendRequest, known: pa.Table, found: Interests) -> pa.Table:
    """The nearest of each interest: no track of the history, no content of it, and every content once."""
    chosen = Filter(request.where, without=tuple(known["track_id"].to_pylist()))
    pools = []
    for centroid in found.centroids:
        count = candidates(request.k)
        while True:
            rows = nearest_rows(lake, spec, centroid, count, _COLUMNS, chosen).select(_COLUMNS)
            new = _distinct(rows.filter(pc.invert(is_among(rows["content_sha256"], known["content_sha256"]))))
            if len(new) >= candidates(request.k) or len(rows) < count:
                break
            count *= 2  # copies of what was played, or of each other, took the places
        pools.append(new)
    return _distinct(pa.concat_tables(pools))


def _distinct(rows: pa.Table) -> pa.Table:
    """Of each content the first track_id."""
    rows = rows.sort_by("track_id")
    return rows.take(pa.array(np.sort(np.unique(codes(rows["content_sha256"]), return_index=True)[1])))


def _choose(request: RecommendRequest, found: Interests, history: np.ndarray, pool: np.ndarray) -> _Chosen:
    chosen = recommended(found.centroids @ pool.T, pool, found.weights, request.k, request.diversity)
    because = (pool[chosen.rows] @ history.T).argmax(axis=1)
    return _Chosen(chosen.rows, chosen.interests, chosen.scores, because)


def _interest_rows(found: Interests, rows: np.ndarray, tracks: pa.Table) -> list[Row]:
    """Each interest by its share, and the track of the history that is nearest to its middle."""
    scores = np.where(found.labels == np.arange(len(found.weights))[:, None], found.centroids @ rows.T, -np.inf)
    return [
        {"interest": number, "weight": round(float(weight), 4), "tracks": int(count), "around": around}
        for number, (weight, count, around) in enumerate(
            zip(found.weights, np.bincount(found.labels), _named(tracks, scores.argmax(axis=1)), strict=True), start=1
        )
    ]


def _named(rows: pa.Table, places: np.ndarray) -> list[Row]:
    return rows.select(_NAMED).take(pa.array(places, pa.int64())).to_pylist()


def _block(
    request: RecommendRequest, pool: Pool, names: list[str], histories: list[np.ndarray], ids: list[np.ndarray]
) -> pa.Table:
    """Some users at once: one product of all their interests with all vectors. `ids` are the tracks that they played,
    `histories` their contents, play by play.
    """
    heard = [listened(history) for history in histories]
    found = [interests(pool.rows[items], plays, request.interests) for items, plays in heard]
    scores = np.concatenate([one.centroids for one in found]) @ pool.rows.T
    scores[:, ~pool.passes] = -np.inf
    ends = np.cumsum([len(one.weights) for one in found])
    parts = []
    for place, (one, end) in enumerate(zip(found, ends, strict=True)):
        own = scores[end - len(one.weights) : end]
        own[:, histories[place]] = -np.inf
        chosen = recommended(own, pool.rows, one.weights, request.k, request.diversity)
        items = heard[place][0]
        near = items[(pool.rows[chosen.rows] @ pool.rows[items].T).argmax(axis=1)]
        named = dict(zip(histories[place].tolist(), ids[place], strict=True))
        shown = pool.shown.take(pa.array(chosen.rows, pa.int64()))
        columns = {"user_id": pa.array([names[place]] * len(shown), pa.string()), "rank": _upwards(len(shown))}
        columns |= {column: shown[column] for column in _NAMED}
        columns |= {"score": pa.array(chosen.scores), "interest": pa.array(chosen.interests + 1)}
        columns |= {"weight": pa.array(one.weights[chosen.interests])}
        columns |= {"because": pa.array([named[item] for item in near.tolist()], pa.string())}
        parts.append(pa.table([columns[name].cast(SCHEMA.field(name).type) for name in SCHEMA.names], schema=SCHEMA))
    return pa.concat_tables(parts)


def _upwards(count: int) -> pa.Array:
    return pa.array(np.arange(1, count + 1))
