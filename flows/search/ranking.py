"""The order of a query: rows by sound, by name, or by filters alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from flows.search.blend import POOL, Blend
from flows.search.name_matches import NamedTrack, best_named, fuse
from flows.search.reader import Reader
from lake.embeddings.filters import Filter
from lake.embeddings.search import cosines, nearest_rows, nearest_vectors, passing_rows, rows_of
from lake.embeddings.segments import Score
from lake.storage.arrow import index_in, string_column
from lake.storage.filters import in_clause
from schemas.search import QueryPart

Ranked = tuple[pa.Table, list[float | None]]  # rows, the best first, and their scores


@dataclass(frozen=True, slots=True)
class ResolvedPart:
    """A part of a query with its unit vector, float32 [dim]. `part.value` of a track is its id."""

    part: QueryPart
    vector: np.ndarray


@dataclass(frozen=True)
class Ranking:
    """All tracks that pass a condition, in the order of a query. `named` are those that it names.

    Rows have `columns` of the embeddings table. The tracks that are parts of the query are not among them.
    """

    reader: Reader
    parts: Sequence[ResolvedPart]
    condition: Filter
    columns: list[str]
    named: Sequence[NamedTrack] = ()

    def first(self, count: int) -> Ranked:
        """Return the first rows, and their scores."""
        if not self.parts:
            return passing_rows(self.reader.lake, self.reader.spec, count, self.columns, self.condition)
        rows, scores = self._by_sound(count, self.searched)
        tracks = best_named(self.named, count)
        if not tracks:
            return rows, scores
        named_rows, named_scores = self._by_sound(len(tracks), self.searched.narrow(in_clause("track_id", tracks)))
        order = fuse(_ids(rows), _ids(named_rows), tracks)[:count]
        joined = pa.concat_tables([named_rows, rows])
        index = index_in(string_column(order), joined["track_id"])
        all_scores = [*named_scores, *scores]
        return joined.take(index), [all_scores[row] for row in index.to_pylist()]

    @property
    def vector(self) -> np.ndarray:
        """The unit vector, float32 [dim], whose nearest tracks are the candidates."""
        if self._blend is not None:
            return self._blend.vector
        (part,) = self._counting
        return np.asarray(np.sign(part.part.weight) * part.vector, np.float32)

    @property
    def score(self) -> Score:
        """The function that scores unit vectors, of tracks or of windows."""
        if self._blend is not None:
            return self._blend.score
        vector = self.vector
        return lambda vectors: np.asarray(vectors @ vector)

    @property
    def searched(self) -> Filter:
        """The condition without the tracks of the query."""
        return self.condition.narrow(without=self.own_tracks)

    @property
    def own_tracks(self) -> tuple[str, ...]:
        """The ids of the tracks of the query."""
        return tuple(part.part.value for part in self.parts if part.part.kind == "track")

    def _by_sound(self, count: int, condition: Filter) -> Ranked:
        lake, spec = self.reader.lake, self.reader.spec
        if self._blend is None:
            rows = nearest_rows(lake, spec, self.vector, count, self.columns, condition)
            return rows, cosines(rows)
        track_ids, vectors = nearest_vectors(lake, spec, self.vector, max(POOL, 10 * count), condition)
        scores = self.score(vectors)
        best = np.argsort(-scores, kind="stable")[:count]
        rows = rows_of(lake, spec, [track_ids[index] for index in best], self.columns)
        return rows, [round(float(scores[index]), 6) for index in best]

    @property
    def _counting(self) -> list[ResolvedPart]:
        return [part for part in self.parts if part.part.weight]

    @cached_property
    def _blend(self) -> Blend | None:
        """How the parts score a track together; None of a single part."""
        if len(self._counting) == 1:
            return None
        weights = [part.part.weight for part in self._counting]
        return Blend.of([part.vector for part in self._counting], weights, self.reader.ordinary_vectors)


def _ids(rows: pa.Table) -> list[str]:
    ids: list[str] = rows["track_id"].to_pylist()
    return ids
