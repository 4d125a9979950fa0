"""Vectors that are clustered, as music is, and the exact answers to questions about them.

3,000 centres in 64 dimensions, noise of .6 around them, projected to `dim` dimensions, noise of .05 on top, and unit
length. Queries are further draws from the same clusters.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

CENTRES, INNER = 3000, 64
CHUNK = 1 << 14
QUERIES = 400
K = 10


def draw(rows: int, dim: int, seed: int) -> np.ndarray:
    """Return clustered unit vectors, float32 [rows, dim]."""
    fixed, random = np.random.default_rng(0), np.random.default_rng(seed)
    centres = fixed.standard_normal((CENTRES, INNER)).astype(np.float32)
    projection = fixed.standard_normal((INNER, dim)).astype(np.float32) / np.sqrt(INNER)
    inner = centres[random.integers(0, CENTRES, rows)] + 0.6 * random.standard_normal((rows, INNER), np.float32)
    vectors = inner @ projection + 0.05 * random.standard_normal((rows, dim), np.float32)
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def chunks(tracks: int, dim: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first row and the vectors of each part of the catalogue."""
    for start in range(0, tracks, CHUNK):
        yield start, draw(min(CHUNK, tracks - start), dim, 1 + start)


def draw_queries(dim: int) -> np.ndarray:
    """Return the vectors of the queries, float32 [QUERIES, dim]."""
    return draw(QUERIES, dim, seed=999_999_999)


def exact_answers(tracks: int, dim: int, queries: np.ndarray) -> np.ndarray:
    """Return the rows nearest to each query, int64 [QUERIES, K]."""
    scores, rows = np.full((len(queries), K), -2.0), np.zeros((len(queries), K), np.int64)
    for start, vectors in chunks(tracks, dim):
        products = queries @ vectors.T
        best = np.argpartition(-products, K - 1, axis=1)[:, :K]
        scores = np.concatenate([scores, np.take_along_axis(products, best, axis=1)], axis=1)
        rows = np.concatenate([rows, best + start], axis=1)
        keep = np.argsort(-scores, axis=1)[:, :K]
        scores, rows = np.take_along_axis(scores, keep, axis=1), np.take_along_axis(rows, keep, axis=1)
    return rows


def recall_at_10(answers: Sequence[Sequence[int]], truth: np.ndarray) -> float:
    """Return the share of the nearest ten that the answers hold."""
    return float(np.mean([len({*answer} & {*row}) / K for answer, row in zip(answers, truth, strict=True)]))


def time_each(ask: Callable[[int], Any]) -> tuple[np.ndarray, list]:
    """Return the seconds of each question, and the answers."""
    took, answers = [], []
    for number in range(QUERIES):
        started = time.perf_counter()
        answers.append(ask(number))
        took.append(time.perf_counter() - started)
    return np.array(took), answers
