"""Protocols that query in words: zero-shot classification, retrieval by tag and by sentence.

Source: Doh, Won, Choi and Nam, "Toward Universal Text-to-Music Retrieval", ICASSP 2023.
"""

from collections.abc import Sequence

import numpy as np

from schemas.benchmarks import Clip
from workers.encoders.base.interface import TextTower
from workers.evaluation.predictions import LabelScores, RetrievalResults
from workers.metrics.retrieval import average_precision_at, first_rank, hit_at, ndcg_at, recall_at, relevant_ranks

_BLOCK = 256  # queries at a time: 35,000 clips and 100,000 captions stay within memory


def classify_zero_shot(
    clips: list[Clip], vectors: np.ndarray, names: tuple[str, ...], task: str, tower: TextTower, prompt: str
) -> LabelScores:
    """Return the cosine of each clip's vector [N, dim] with each class's prompted name."""
    texts = tower.embed_text([prompt.replace("{}", name) for name in names])
    ids = tuple(clip.clip_id for clip in clips)
    return LabelScores(task, names, ids, label_matrix(clips, names), vectors @ texts.T)


def retrieve_by_tag(
    clips: list[Clip], vectors: np.ndarray, names: tuple[str, ...], tower: TextTower, prompt: str
) -> RetrievalResults:
    """Search vectors [N, dim] with each tag of the clips as a query.

    The clips that have the tag are relevant. Tags that no clip has are left out.
    """
    truth = label_matrix(clips, names)
    relevant = {name: np.flatnonzero(truth[:, column]) for column, name in enumerate(names) if truth[:, column].any()}
    texts = tower.embed_text([prompt.replace("{}", name) for name in relevant])
    return _search_gallery(list(relevant), texts, clips, vectors, list(relevant.values()))


def retrieve_by_sentence(clips: list[Clip], vectors: np.ndarray, tower: TextTower) -> RetrievalResults:
    """Search vectors [N, dim] with each distinct caption as a query.

    The gallery are the clips that have captions; all clips with the caption are relevant.
    """
    with_captions = [row for row, clip in enumerate(clips) if clip.captions]
    gallery = [clips[row] for row in with_captions]
    relevant: dict[str, list[int]] = {}
    for index, clip in enumerate(gallery):
        for caption in clip.captions:
            relevant.setdefault(caption, []).append(index)
    queries = list(relevant)
    return _search_gallery(
        queries, tower.embed_text(queries), gallery, vectors[with_captions], list(relevant.values())
    )


def label_matrix(clips: list[Clip], names: tuple[str, ...]) -> np.ndarray:
    """Return bool [N, C]: whether clip n has label c."""
    columns = {name: column for column, name in enumerate(names)}
    truth = np.zeros((len(clips), len(names)), bool)
    for row, clip in enumerate(clips):
        truth[row, [columns[label] for label in clip.labels]] = True
    return truth


def _search_gallery(
    queries: list[str],
    texts: np.ndarray,
    gallery: list[Clip],
    vectors: np.ndarray,
    relevant: Sequence[Sequence[int]],
) -> RetrievalResults:
    """Rank the gallery for each query and compute the metrics.

    `texts` [Q, dim] are the queries' vectors, `vectors` [N, dim] the gallery's. `relevant` holds the indices in the
    gallery of the clips that each query should find.
    """
    blocks: list[dict[str, np.ndarray]] = []
    for start in range(0, len(queries), _BLOCK):
        scores = texts[start : start + _BLOCK] @ vectors.T
        is_relevant = np.zeros(scores.shape, bool)
        for row, indices in enumerate(relevant[start : start + _BLOCK]):
            is_relevant[row, indices] = True
        ranks = relevant_ranks(scores, is_relevant)
        blocks.append(
            {f"recall@{k}": recall_at(ranks, k) for k in (1, 5, 10)}
            | {"hit@10": hit_at(ranks, 10), "map@10": average_precision_at(ranks, 10)}
            | {"ndcg@10": ndcg_at(scores, is_relevant, 10), "rank": first_rank(ranks)}
        )
    values = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    relevant_ids = tuple(tuple(gallery[index].clip_id for index in indices) for indices in relevant)
    return RetrievalResults(tuple(queries), relevant_ids, len(gallery), values)
