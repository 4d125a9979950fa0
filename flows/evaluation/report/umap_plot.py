"""The embedding space in two dimensions, by UMAP.

It shows tracks, tags and sentences together, as a figure of Doh et al. (2023) does.
"""

import warnings

import numpy as np

from flows.evaluation.report.examples import Gallery, QuerySet
from flows.evaluation.report.plots import Point
from schemas.errors import UserError
from workers.encoders.base.interface import TextTower
from workers.evaluation.predictions import RetrievalResults

_MAX_TRACKS = 2000
_MAX_QUERIES = {"tag": 30, "sentence": 12}
_MAX_LETTERS = 46


def project_to_plane(gallery: Gallery, tower: TextTower, query_sets: list[QuerySet], seed: int = 0) -> list[Point]:
    """Return points of tracks, tags and sentences.

    At most 2,000 tracks, drawn at random, and the 30 tags and 12 sentences that most clips have. Raises UserError if
    UMAP is not installed.
    """
    rng = np.random.default_rng(seed)
    tracks = np.sort(rng.permutation(len(gallery.ids))[:_MAX_TRACKS])
    kinds, texts, vectors = ["track"] * len(tracks), [""] * len(tracks), [gallery.vectors[tracks]]
    for query_set in query_sets:
        queries = _most_frequent(query_set.results)[: _MAX_QUERIES[query_set.kind]]
        kinds += [query_set.kind] * len(queries)
        texts += queries
        vectors.append(tower.embed_text([query_set.prompt.replace("{}", query) for query in queries]))
    points = _project(np.concatenate(vectors), seed)
    return [
        Point(float(x), float(y), kind, _shorten(text))
        for (x, y), kind, text in zip(points, kinds, texts, strict=True)
    ]


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_LETTERS else f"{text[: _MAX_LETTERS - 1]}…"


def _most_frequent(results: RetrievalResults) -> list[str]:
    """Return the queries, those with most relevant clips first."""
    order = sorted(range(len(results.queries)), key=lambda index: -len(results.relevant[index]))
    return [results.queries[index] for index in order]


def _project(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Project vectors [N, dim] to points [N, 2]."""
    try:
        from umap import UMAP
    except ImportError as error:
        raise UserError('the map needs UMAP: pip install "tonelake[report]"') from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # UMAP warns that a seed means one core, and of few neighbours for few points
        umap = UMAP(n_neighbors=min(15, len(vectors) - 1), metric="cosine", init="random", random_state=seed, n_jobs=1)
        return umap.fit_transform(vectors)
