"""The space in two dimensions by UMAP: tracks, tags and sentences together, as in the figure of Doh et al. (2023)."""

import warnings

import numpy as np

from flows.evaluation.report.examples import Asked, Shelf
from flows.evaluation.report.plots import Place
from schemas.errors import UserError
from workers.encoders.base.interface import TextTower
from workers.evaluation.predictions import Retrieved

_MOST_TRACKS, _MOST_TAGS, _MOST_SENTENCES = 2000, 30, 12
_LONGEST = 46


def flat_map(shelf: Shelf, tower: TextTower, asked: list[Asked], seed: int = 0) -> list[Place]:
    """Points for at most 2,000 tracks drawn at random, and for the 30 tags and 12 sentences that most clips have."""
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(shelf.ids))[:_MOST_TRACKS])
    most = {"tag": _MOST_TAGS, "sentence": _MOST_SENTENCES}
    texts = {one.kind: _commonest(one.items)[: most[one.kind]] for one in asked}
    prompts = {one.kind: one.prompt for one in asked}
    kinds = ["track"] * len(chosen) + [kind for kind, names in texts.items() for _ in names]
    words = [""] * len(chosen) + [name for names in texts.values() for name in names]
    rows = [shelf.vectors[chosen]] + [
        tower.embed_text([prompts[kind].replace("{}", name) for name in names]) for kind, names in texts.items()
    ]
    points = _flattened(np.concatenate(rows), seed)
    return [
        Place(float(x), float(y), kind, text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")
        for (x, y), kind, text in zip(points, kinds, words, strict=True)
    ]


def _commonest(items: Retrieved) -> list[str]:
    order = sorted(range(len(items.queries)), key=lambda place: -len(items.relevant[place]))
    return [items.queries[place] for place in order]


def _flattened(vectors: np.ndarray, seed: int) -> np.ndarray:
    try:
        from umap import UMAP
    except ImportError as error:
        raise UserError('the map needs UMAP: pip install "tonelake[report]"') from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that a seed means one core, and that few points need few neighbours
        flat = UMAP(n_neighbors=min(15, len(vectors) - 1), metric="cosine", init="random", random_state=seed, n_jobs=1)
        return flat.fit_transform(vectors)
