"""Orders and paths of `tonelake playlist` on a lake, against chance and simpler methods; and what diversity costs.

python -m tests.benchmarks.playlists LAKE [MADE_LAKE]

MADE_LAKE is one that `tests.benchmarks.search` made: questions to it are timed.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np

from flows.search.diversity import artist_groups
from flows.search.engine import answer
from flows.search.reader import open_reader
from flows.search.version import resolve_version
from schemas.search import Query, QueryPart
from schemas.settings import Settings
from schemas.tables import embeddings_table
from workers.recommend import flow
from workers.recommend.path import choose_path, points_between
from workers.recommend.rerank import GroupLimit

LISTS, LISTED, PATHS, BETWEEN = 30, 20, 60, 10
QUESTIONS = 40
# The costs of one artist, of an octave of tempo and of a clash of keys.
COSTS = {
    "vectors alone": (0.0, 0.0, 0.0),
    "and artists": (2.0, 0.0, 0.0),
    "and tempo .4, keys .05": (2.0, 0.4, 0.05),
    "and tempo 1.6, keys .2": (2.0, 1.6, 0.2),
}
QUERIES = {
    "plain": {},
    "--distinct": {"distinct": True},
    "--per-artist 2": {"per_artist": 2},
    "--diversity 0.3": {"diversity": 0.3},
}


class Tracks:
    """The tracks of a lake: unit vectors [N, dim], artists [N], tempos and keys."""

    def __init__(self, lake: str) -> None:
        version = resolve_version(Settings(lake=lake))
        table = version.lake.table(embeddings_table(version.spec))
        rows = (
            table.to_table(columns=["track_id", "artist", "vector", "bpm", "camelot"]).sort_by("track_id").to_pylist()
        )
        self.vectors = np.array([row["vector"] for row in rows], np.float32)
        self.artists = artist_groups(row["artist"] for row in rows)
        self.tempos = [row["bpm"] for row in rows]
        self.keys = [row["camelot"] for row in rows]

    def costs(self, tracks: np.ndarray) -> np.ndarray:
        """Return the costs of neighbours [T, T] of some tracks [T]."""
        tempos, keys = ([values[track] for track in tracks] for values in (self.tempos, self.keys))
        return flow.transition_costs(self.vectors[tracks], self.artists[tracks], tempos, keys)

    def judge_order(self, tracks: np.ndarray) -> list[float]:
        """Return mean and lowest cosine, tempo change in octaves, and shares of clashes and of equal artists."""
        first, second = tracks[:-1], tracks[1:]
        cosines = np.sum(self.vectors[first] * self.vectors[second], axis=1)
        tempo = np.log2(
            [(self.tempos[a] or np.nan) / (self.tempos[b] or np.nan) for a, b in zip(first, second, strict=True)]
        )
        clashes = [
            flow.transition_costs(np.ones((2, 1)), np.full(2, -1), [None] * 2, [self.keys[a], self.keys[b]])[0, 1]
            for a, b in zip(first, second, strict=True)
        ]
        same = (self.artists[first] == self.artists[second]) & (self.artists[first] >= 0)
        changes = np.abs(tempo - np.round(tempo))
        return [cosines.mean(), cosines.min(), np.nanmean(changes), np.mean(np.array(clashes) > 0), same.mean()]


def print_orders(tracks: Tracks, random: np.random.Generator) -> None:
    """Print what each order does to lists of random tracks."""
    rows: dict[str, list[list[float]]] = {}
    for _ in range(LISTS):
        chosen = random.choice(len(tracks.vectors), LISTED, replace=False)
        rows.setdefault("random", []).append(tracks.judge_order(chosen))
        for name, (artist, tempo, key) in COSTS.items():
            with patch.multiple(flow, SAME_ARTIST=artist, TEMPO=tempo, KEY=key):
                costs = tracks.costs(chosen)
            if name == "vectors alone":
                greedy = chosen[flow._nearest_next(costs)]
                rows.setdefault("vectors alone, greedy", []).append(tracks.judge_order(greedy))
            rows.setdefault(name, []).append(tracks.judge_order(chosen[flow.order_for_flow(costs)]))
    print("order                      cosine  lowest  tempo  clashes  one artist")
    for name, values in rows.items():
        print(f"{name:26s}", "  ".join(f"{value:.3f}" for value in np.mean(values, axis=0)))


def print_paths(tracks: Tracks, random: np.random.Generator) -> None:
    """Print how even the paths of each method are."""
    vectors = tracks.vectors

    def at_random(others: np.ndarray, _: np.ndarray) -> np.ndarray:
        return random.choice(others, BETWEEN, replace=False)

    def greedy(others: np.ndarray, ends: np.ndarray) -> np.ndarray:
        chosen: list[int] = []
        for point in points_between(*ends, BETWEEN):
            left = np.setdiff1d(others, chosen)
            chosen.append(int(left[np.argmax(vectors[left] @ point)]))
        return np.array(chosen)

    def assigned(limit: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        return lambda others, ends: others[
            choose_path(*ends, BETWEEN, vectors[others], GroupLimit(tracks.artists[others], limit))
        ]

    methods = {
        "random": at_random,
        "greedy": greedy,
        "assigned": assigned(len(vectors)),
        "assigned, 2 of an artist": assigned(2),
    }
    pairs = [random.choice(len(vectors), 2, replace=False) for _ in range(PATHS)]
    print("path                       error of position  cosine  lowest")
    for name, method in methods.items():
        figures = []
        for pair in pairs:
            inner = method(np.setdiff1d(np.arange(len(vectors)), pair), vectors[pair])
            figures.append(_judge_path(vectors[[pair[0], *inner, pair[1]]]))
        print(f"{name:26s}", "  ".join(f"{value:.3f}" for value in np.mean(figures, axis=0)))


def _judge_path(path: np.ndarray) -> tuple[float, float, float]:
    """Return the mean error of position, and mean and lowest cosine of neighbours, of a path [T, dim]."""
    start, end = path[0], path[-1]
    away = end - (end @ start) * start
    angles = np.arctan2(path @ away / np.linalg.norm(away), path @ start) / np.arccos(start @ end)
    steps = np.sum(path[1:] * path[:-1], axis=1)
    return np.abs(angles - np.linspace(0, 1, len(path))).mean(), steps.mean(), steps.min()


def print_prices(lake: str) -> None:
    """Print the median time of a question, k 10, with each option."""
    reader = open_reader(Settings(lake=lake))
    rows = reader.lake.table(embeddings_table(reader.spec)).to_table(columns=["track_id"], limit=QUESTIONS)
    for name, options in QUERIES.items():
        seconds = []
        for track_id in rows["track_id"].to_pylist():
            started = time.perf_counter()
            answer(reader, Query((QueryPart("track", track_id),), **options))
            seconds.append(time.perf_counter() - started)
        print(f"{name:20s} {1000 * np.median(seconds):.1f} ms")


def main() -> None:
    """Print all tables."""
    tracks, random = Tracks(sys.argv[1]), np.random.default_rng(0)
    print_orders(tracks, random)
    print_paths(tracks, random)
    if len(sys.argv) > 2:
        print_prices(str(Path(sys.argv[2])))


if __name__ == "__main__":
    main()
