"""A trained encoder's items on clips it was not trained on, by the project's own protocols.

proven(clips, vectors, tower, spec.prompt, trained.vocabulary)["tag-retrieval"]
"""

from dataclasses import replace

import numpy as np

from schemas.benchmarks import Clip
from workers.encoders.base.interface import TextTower
from workers.evaluation.predictions import Items
from workers.evaluation.zero_shot_retrieval import sentence_retrieval, tag_retrieval, zero_shot


def proven(
    clips: list[Clip], vectors: np.ndarray, tower: TextTower, prompt: str, vocabulary: tuple[str, ...]
) -> dict[str, Items]:
    """What each protocol found for clips with vectors [N, dim]; of sentences only where clips have some.

    "all-tags-retrieval" asks with all tags of a clip in a row, which Doh et al. call the sentence query. Tags that
    training never met are asked for apart, as "unseen-words"; the other figures leave out clips that have one, and
    are not there where all have.
    """
    unseen = {tag for clip in clips for tag in clip.labels} - set(vocabulary)
    rows = [row for row, clip in enumerate(clips) if not unseen & set(clip.labels)]
    usual, theirs = [clips[row] for row in rows], vectors[rows]
    names = tuple(sorted({tag for clip in usual for tag in clip.labels}))
    in_a_row = [replace(clip, captions=(", ".join(clip.labels),)) for clip in usual]
    found: dict[str, Items] = {}
    if usual:
        found["tag-retrieval"] = tag_retrieval(usual, theirs, names, tower, prompt)
        found["all-tags-retrieval"] = sentence_retrieval(in_a_row, theirs, tower)
        found["zero-shot"] = zero_shot(usual, theirs, names, "multilabel", tower, prompt)
    if any(clip.captions for clip in usual):
        found["sentence-retrieval"] = sentence_retrieval(usual, theirs, tower)
    if unseen:
        asked = [replace(clip, labels=tuple(tag for tag in clip.labels if tag in unseen)) for clip in clips]
        found["unseen-words"] = zero_shot(asked, vectors, tuple(sorted(unseen)), "multilabel", tower, prompt)
    return found
