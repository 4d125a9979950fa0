"""Protocols that ask in words: zero-shot classification, retrieval by tag and by sentence. Nothing is trained.

Source: Doh, Won, Choi and Nam, "Toward Universal Text-to-Music Retrieval", ICASSP 2023.
"""

from collections.abc import Sequence

import numpy as np

from schemas.benchmarks import Clip
from workers.encoders.base.interface import TextTower
from workers.evaluation.predictions import LabelScores, Retrieved
from workers.metrics.retrieval import average_precision_at, first_rank, hit_at, ndcg_at, recall_at, relevant_ranks

_BLOCK = 256  # queries at a time: 35,000 clips and 100,000 captions stay within memory


def zero_shot(
    clips: list[Clip], vectors: np.ndarray, names: tuple[str, ...], task: str, tower: TextTower, prompt: str
) -> LabelScores:
    """Cosine of each clip's vector [N, dim] with each class's prompted name."""
    texts = tower.embed_text([prompt.replace("{}", name) for name in names])
    ids = tuple(clip.clip_id for clip in clips)
    return LabelScores(task, names, ids, label_matrix(clips, names), vectors @ texts.T)


def tag_retrieval(
    clips: list[Clip], vectors: np.ndarray, names: tuple[str, ...], tower: TextTower, prompt: str
) -> Retrieved:
    """Each tag that some clip has is a query; the clips that have it are relevant."""
    truth = label_matrix(clips, names)
    places = {name: np.flatnonzero(truth[:, column]) for column, name in enumerate(names) if truth[:, column].any()}
    texts = tower.embed_text([prompt.replace("{}", name) for name in places])
    return _retrieved(list(places), texts, clips, vectors, list(places.values()))


def sentence_retrieval(clips: list[Clip], vectors: np.ndarray, tower: TextTower) -> Retrieved:
    """Each different caption is a query over the clips that have captions; all clips of that caption are relevant."""
    with_captions = [place for place, clip in enumerate(clips) if clip.captions]
    places: dict[str, list[int]] = {}
    for row, place in enumerate(with_captions):
        for caption in clips[place].captions:
            places.setdefault(caption, []).append(row)
    queries = list(places)
    gallery = [clips[place] for place in with_captions]
    return _retrieved(queries, tower.embed_text(queries), gallery, vectors[with_captions], list(places.values()))


def label_matrix(clips: list[Clip], names: tuple[str, ...]) -> np.ndarray:
    """Bool [N, C]: which clip has which label."""
    place = {name: column for column, name in enumerate(names)}
    truth = np.zeros((len(clips), len(names)), bool)
    for row, clip in enumerate(clips):
        truth[row, [place[label] for label in clip.labels]] = True
    return truth


def _retrieved(
    queries: list[str],
    texts: np.ndarray,
    gallery: list[Clip],
    vectors: np.ndarray,
    relevant: Sequence[Sequence[int]],
) -> Retrieved:
    """`relevant` has the places in the gallery of the clips that each query should find."""
    blocks: list[dict[str, np.ndarray]] = []
    for start in range(0, len(queries), _BLOCK):
        scores = texts[start : start + _BLOCK] @ vectors.T
        wanted = np.zeros(scores.shape, bool)
        for row, places in enumerate(relevant[start : start + _BLOCK]):
            wanted[row, places] = True
        ranks = relevant_ranks(scores, wanted)
        blocks.append(
            {f"recall@{k}": recall_at(ranks, k) for k in (1, 5, 10)}
            | {"hit@10": hit_at(ranks, 10), "map@10": average_precision_at(ranks, 10)}
            | {"ndcg@10": ndcg_at(scores, wanted, 10), "rank": first_rank(ranks)}
        )
    values = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    named = tuple(tuple(gallery[place].clip_id for place in places) for places in relevant)
    return Retrieved(tuple(queries), named, len(gallery), values)
