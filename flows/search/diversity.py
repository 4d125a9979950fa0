"""Hits that differ: a recording once, few tracks of an artist, and diversity by MMR.

Source: Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking", SIGIR 1998.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from flows.search.copies import COLUMNS as COPY_COLUMNS
from flows.search.copies import find_originals
from lake.storage.lake import Lake
from lake.storage.vectors import to_matrix
from schemas.search import Query
from workers.metrics.neighbours import unit_rows
from workers.recommend.rerank import GroupLimit, rerank

COLUMNS = ("track_id", "artist", *COPY_COLUMNS)
_GROWTH = 4  # of the candidates, once, if they do not suffice

# Returns so many rows, the best first, and the score of each.
FindRows = Callable[[int], tuple[pa.Table, list[float | None]]]


@dataclass(frozen=True, slots=True)
class Choice:
    """Chosen rows, the best first, and their scores.

    `copies` are the ids of the copies of each that were left out. `remark` says why there are fewer rows than k.
    """

    rows: pa.Table
    scores: list[float | None]
    copies: list[tuple[str, ...]]
    remark: str | None = None


def choose(lake: Lake, query: Query, find: FindRows, read_own_rows: Callable[[], pa.Table]) -> Choice:
    """Return at most k rows that differ as the query asks. The rows that `find` returns have COLUMNS.

    Copies of the tracks of `read_own_rows`, those of the query, are left out. If the first candidates hold
    too few, there are four times as many, and no more: the choice may be shorter then.
    """
    if not query.is_diverse:
        rows, scores = find(query.k)
        return Choice(rows, scores, [()] * len(rows))
    own_rows = read_own_rows()
    count = min(4 * query.k + 10, query.k + 100)  # each candidate costs time: vectors are read and compared
    for candidates in (count, _GROWTH * count):
        rows, scores = find(candidates)
        choice = _choose_among(lake, query, rows, scores, own_rows)
        if len(choice.rows) == query.k or len(rows) < candidates:
            return choice
    reason = f"the {candidates:,} best hold no more that differ as asked for"
    return replace(choice, remark=f"{len(choice.rows):,} tracks, not {query.k:,}: {reason}")


def artist_groups(artists: Iterable[str | None]) -> np.ndarray:
    """Return a number for each artist, int [N], -1 for an unknown one.

    Names that differ in capitals have one number.
    """
    numbers: dict[str, int] = {}
    names = [(artist or "").strip().casefold() for artist in artists]
    return np.array([numbers.setdefault(name, len(numbers)) if name else -1 for name in names], int)


def _relevance(scores: Sequence[float]) -> np.ndarray:
    """Return how much each row counts, float32 [N], at most 1.

    These are the scores relative to the best one, because cosines of words are lower than those between tracks. If the
    rows are not in the order of their scores, since the query names some, their ranks count instead.
    """
    relevance = np.array(scores, np.float32)
    if (np.diff(relevance) > 0).any():
        return np.linspace(1, 0, len(relevance), dtype=np.float32)
    best = relevance.max(initial=0.0)
    return relevance / best if best > 0 else relevance


def _choose_among(lake: Lake, query: Query, rows: pa.Table, scores: list[float | None], own_rows: pa.Table) -> Choice:
    compared = pa.concat_tables([own_rows.select(COLUMNS), rows.select(COLUMNS)])
    originals = find_originals(lake, compared)[len(own_rows) :] - len(own_rows)  # below 0: a copy of the query's own
    kept = np.flatnonzero(originals == np.arange(len(rows)))
    limit = query.per_artist or len(rows)
    artists = artist_groups(rows["artist"].take(pa.array(kept)).to_pylist())
    relevance = _relevance([scores[row] or 0.0 for row in kept])
    vectors = unit_rows(to_matrix(rows["vector"]))[kept]
    ranked = rerank(relevance[None], vectors, np.ones(1), query.k, query.diversity, GroupLimit(artists, limit))
    chosen = kept[ranked.rows]
    track_ids = rows["track_id"].to_pylist()
    copies = [tuple(track_ids[row] for row in np.flatnonzero(originals == original)[1:]) for original in chosen]
    return Choice(rows.take(pa.array(chosen, pa.int64())), [scores[row] for row in chosen], copies)
