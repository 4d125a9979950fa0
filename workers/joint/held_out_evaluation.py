"""Evaluation of a trained encoder on its test split, by the protocols of the benchmarks.

evaluate_held_out(clips, vectors, tower, spec.prompt, trained.vocabulary)["tag-retrieval"]
"""

from dataclasses import replace

import numpy as np

from schemas.benchmarks import Clip
from workers.encoders.base.interface import TextTower
from workers.evaluation.predictions import Predictions
from workers.evaluation.zero_shot_retrieval import classify_zero_shot, retrieve_by_sentence, retrieve_by_tag


def evaluate_held_out(
    clips: list[Clip], vectors: np.ndarray, tower: TextTower, prompt: str, vocabulary: tuple[str, ...]
) -> dict[str, Predictions]:
    """Return the predictions of each protocol for clips with vectors [N, dim].

    Clips with a tag outside `vocabulary`, which training never saw, count only in "unseen-words": zero-shot
    classification of those tags over all clips. All other protocols use the remaining clips and are missing if none
    remain. "sentence-retrieval" needs captions. "all-tags-retrieval" queries with all tags of a clip in one text,
    which Doh et al. call the sentence query.
    """
    unseen = {tag for clip in clips for tag in clip.labels} - set(vocabulary)
    known_rows = [row for row, clip in enumerate(clips) if not unseen & set(clip.labels)]
    known_clips, known_vectors = [clips[row] for row in known_rows], vectors[known_rows]
    names = tuple(sorted({tag for clip in known_clips for tag in clip.labels}))
    predictions: dict[str, Predictions] = {}
    if known_clips:
        tag_lists = [replace(clip, captions=(", ".join(clip.labels),)) for clip in known_clips]
        predictions["tag-retrieval"] = retrieve_by_tag(known_clips, known_vectors, names, tower, prompt)
        predictions["all-tags-retrieval"] = retrieve_by_sentence(tag_lists, known_vectors, tower)
        predictions["zero-shot"] = classify_zero_shot(known_clips, known_vectors, names, "multilabel", tower, prompt)
    if any(clip.captions for clip in known_clips):
        predictions["sentence-retrieval"] = retrieve_by_sentence(known_clips, known_vectors, tower)
    if unseen:
        only_unseen = [replace(clip, labels=tuple(tag for tag in clip.labels if tag in unseen)) for clip in clips]
        unseen_names = tuple(sorted(unseen))
        predictions["unseen-words"] = classify_zero_shot(
            only_unseen, vectors, unseen_names, "multilabel", tower, prompt
        )
    return predictions
