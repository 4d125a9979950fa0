"""The embedding space in two dimensions, by t-SNE.

It shows tracks, tags and sentences together, as a figure of Doh et al. (2023) does. UMAP gives much the same picture,
but compiles itself for a minute in every process.
Source: L. van der Maaten and G. Hinton, "Visualizing Data using t-SNE" (2008).
"""

import numpy as np
from sklearn.manifold import TSNE

from flows.evaluation.report.examples import Gallery, QuerySet
from flows.evaluation.report.plots import Point
from workers.encoders.base.interface import TextTower
from workers.evaluation.predictions import RetrievalResults

_MAX_TRACKS = 2000
_MAX_QUERIES = {"tag": 30, "sentence": 12}
_MAX_LETTERS = 46


def project_to_plane(gallery: Gallery, tower: TextTower, query_sets: list[QuerySet], seed: int = 0) -> list[Point]:
    """Return points of tracks, tags and sentences.

    At most 2,000 tracks, drawn at random, and the 30 tags and 12 sentences that most clips have.
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
    perplexity = min(30, max(1, (len(vectors) - 1) / 3))  # scikit-learn's default, and what few points allow
    projection = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=seed, n_jobs=1)
    return projection.fit_transform(vectors)
