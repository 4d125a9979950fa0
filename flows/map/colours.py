"""Colours of a map: a category or a step on a scale for each point."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.map.points import MapPoints
from flows.map.regions import Region, name_regions
from flows.search.engine import resolve_part
from flows.search.ranking import Ranking
from flows.search.reader import Reader
from lake.embeddings.filters import NO_FILTER
from lake.storage.vectors import BATCH_ROWS, to_matrix
from schemas.errors import UserError
from schemas.names import did_you_mean
from schemas.search import QueryPart
from schemas.tables import embeddings_table

KINDS = ("genre", "tag", "year")
CATEGORIES = 8  # as many colours as people tell apart
UNKNOWN = 255  # the code of a point without a value
OTHER = 254  # the code of a rarer category
_LAST_STEP = 253  # of a scale
_TAILS = (0.02, 0.98)  # of values, beyond which a scale has no steps
_BEST_SCORES = (0.5, 0.9995)


@dataclass(frozen=True, slots=True)
class Colours:
    """`codes` uint8 [N], one a point, and what they mean.

    Code i is `names[i]`, of which there are `counts[i]`; without names, the codes are steps from `low` to `high`.
    """

    title: str
    codes: np.ndarray
    names: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    low: float | None = None
    high: float | None = None

    def legend(self) -> dict[str, Any]:
        """Return the meaning as a JSON object."""
        unknown, other = (int((self.codes == code).sum()) for code in (UNKNOWN, OTHER))
        meaning = {"names": self.names, "counts": self.counts, "other": other} if self.low is None else {}
        return {"title": self.title, "low": self.low, "high": self.high, "unknown": unknown} | meaning


def colour_by(reader: Reader, points: MapPoints, kind: str, name: str | None = None) -> Colours:
    """Colour by the first genre, the best tag or the year.

    With a `name`, colour by the score of that tag. Raises UserError if there is no such kind, or no such tag.
    """
    if kind not in KINDS:
        raise UserError(f"a map has no colours by {kind!r}: {did_you_mean(kind, KINDS)}there are {', '.join(KINDS)}")
    table = reader.lake.table(embeddings_table(reader.spec))
    if kind == "year":
        return _scale("year", points.take(table.to_table(columns=["year"])["year"]), _TAILS, rounded=True)
    if kind == "genre":
        genres = points.take(table.to_table(columns=["genres"])["genres"])
        return _categories("genre", _first(genres))
    tags = points.take(table.to_table(columns=["tags"])["tags"])
    owners, values = pc.list_parent_indices(tags).to_numpy(), pc.list_flatten(tags)
    names, scores = values.field("name"), values.field("score").to_numpy(zero_copy_only=False)
    if name is None:
        order = np.lexsort((-scores, owners))
        firsts = order[np.unique(owners[order], return_index=True)[1]] if len(order) else order
        best = pa.nulls(len(points.rows), pa.string()).to_numpy(zero_copy_only=False)
        best[owners[firsts]] = names.take(pa.array(firsts)).to_numpy(zero_copy_only=False)
        return _categories("best tag", pa.array(best, pa.string()))
    known = set(reader.spec.tagger.vocabulary) if reader.spec.tagger else set()
    if name not in known:
        raise UserError(f"no tag is named {name!r}: {did_you_mean(name, known)}`tonelake tags` lists them")
    is_named = pc.equal(names, name).to_numpy(zero_copy_only=False)
    column = np.zeros(len(points.rows), np.float32)
    column[owners[is_named]] = scores[is_named]
    return _scale(name, pa.array(column), (0.0, 0.999))


def colour_by_score(reader: Reader, points: MapPoints, parts: tuple[QueryPart, ...]) -> Colours:
    """Colour by the score of each point in a search. All vectors are read.

    Raises UserError if the search is empty or ambiguous.
    """
    if not any(part.weight for part in parts):
        raise UserError("the score of what? Give text=, like= or another part of a search")
    ranking = Ranking(reader, [resolve_part(reader, part) for part in parts], NO_FILTER, ["track_id"])
    table, score = reader.lake.table(embeddings_table(reader.spec)), ranking.score
    batches = table.to_batches(columns=["vector"], batch_size=BATCH_ROWS)
    scores = [score(to_matrix(pa.chunked_array([batch["vector"]]))) for batch in batches]
    values = np.concatenate(scores).astype(np.float32)[points.rows]
    return _scale("score", pa.array(values), _BEST_SCORES)


def read_regions(reader: Reader, points: MapPoints) -> list[Region]:
    """Return the named regions of a map.

    They are named by tags, or by genres where the version has no tags.
    """
    table = reader.lake.table(embeddings_table(reader.spec))
    for column in ("tag_names", "genres"):
        lists = points.take(table.to_table(columns=[column])[column])
        owners = pc.list_parent_indices(lists).to_numpy()
        if len(owners):
            encoded = pc.dictionary_encode(pc.list_flatten(lists))
            names, tags = encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)
            order = np.argsort(np.array(names, object), kind="stable")  # the order of the tracks must not matter
            ranks = np.empty(len(order), np.int64)
            ranks[order] = np.arange(len(order))
            positions = points.coordinates / (1 << 16)
            return name_regions(positions, owners, ranks[tags], [names[index] for index in order])
    return []


def _first(lists: pa.ListArray) -> pa.Array:
    """Return the first value of each list; null of an empty one."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    return pc.list_element(pc.if_else(pc.greater(lengths, 0), lists, pa.scalar([None], lists.type)), 0)


def _categories(title: str, values: pa.Array) -> Colours:
    """Return codes of the most frequent values.

    Of equally frequent ones the first in the alphabet counts.
    """
    counts = pc.value_counts(pc.drop_null(values)).to_pylist()
    counts.sort(key=lambda entry: (-entry["counts"], entry["values"]))
    kept = counts[:CATEGORIES]
    codes = pc.index_in(values, pa.array([entry["values"] for entry in kept], pa.string()))
    codes = pc.if_else(pc.is_null(values), UNKNOWN, pc.fill_null(codes, OTHER)).to_numpy().astype(np.uint8)
    return Colours(
        title, codes, tuple(entry["values"] for entry in kept), tuple(int(entry["counts"]) for entry in kept)
    )


def _scale(title: str, values: pa.Array, tails: tuple[float, float], *, rounded: bool = False) -> Colours:
    """Return steps of numbers; those beyond the tails have the first or the last step."""
    numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return Colours(title, np.full(len(numbers), UNKNOWN, np.uint8), low=0.0, high=0.0)
    low, high = (float(value) for value in np.quantile(known, tails))
    low, high = (round(low), round(high)) if rounded else (round(low, 4), round(high, 4))
    steps = np.clip((numbers - low) / max(high - low, 1e-9), 0, 1) * _LAST_STEP
    codes = np.where(np.isfinite(numbers), np.nan_to_num(steps).round(), UNKNOWN)
    return Colours(title, codes.astype(np.uint8), low=float(low), high=float(high))
