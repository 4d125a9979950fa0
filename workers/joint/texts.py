"""Texts of a clip in training: a tag, a sentence, or some of its tags.

For a clip with captions, "stochastic" can read a caption as often as a part of the tags.

texts = draw_texts(clips, TrainingConfig(representation="stochastic"), np.random.default_rng(0))
Source: S. Doh et al., "Toward Universal Text-to-Music Retrieval" (ICASSP 2023); captions and synonyms are ours.
"""

from collections.abc import Sequence

import numpy as np
import torch

from schemas.benchmarks import Clip
from schemas.training import TrainingConfig
from workers.joint.data import TrainingData

POOL_SEED = 0  # belongs to the data: trainings with different seeds share one pool and its text vectors
_FIRST_NAME_PROBABILITY = 0.5  # how often, with synonyms, a tag that has other names keeps its first name

EpochTexts = list[int] | list[str] | None  # rows of text vectors, or the texts themselves, or no texts at all


def draw_texts(clips: Sequence[Clip], config: TrainingConfig, rng: np.random.Generator) -> list[str]:
    """Return a text for each clip. Every clip must have a tag."""
    return [_draw_text(clip, config, rng) for clip in clips]


def text_pools(clips: Sequence[Clip], config: TrainingConfig) -> list[list[str]]:
    """Return up to `text_pool` different random texts for each clip, or all single tags."""
    if config.representation == "tag":
        return [list(clip.labels) for clip in clips]
    rng = np.random.default_rng(POOL_SEED)
    draws = [draw_texts(clips, config, rng) for _ in range(config.text_pool)]
    return [list(dict.fromkeys(texts)) for texts in zip(*draws, strict=True)]


def _draw_text(clip: Clip, config: TrainingConfig, rng: np.random.Generator) -> str:
    tags = clip.labels
    if config.representation == "tag":
        return tags[int(rng.integers(len(tags)))]
    if config.own_sentences and clip.captions and (config.representation == "sentence" or rng.random() < 0.5):
        return clip.captions[int(rng.integers(len(clip.captions)))]
    count = int(rng.integers(1, len(tags) + 1)) if config.representation == "stochastic" else len(tags)
    chosen = [tags[index] for index in rng.permutation(len(tags))[:count]]
    return ", ".join(_replace_with_synonyms(chosen, clip, rng) if config.synonyms else chosen)


def _replace_with_synonyms(tags: list[str], clip: Clip, rng: np.random.Generator) -> list[str]:
    """Return the tags, every second one replaced by one of its other names."""
    synonyms = dict(clip.other_names)
    names = []
    for tag in tags:
        if synonyms.get(tag) and rng.random() >= _FIRST_NAME_PROBABILITY:
            names.append(synonyms[tag][int(rng.integers(len(synonyms[tag])))])
        else:
            names.append(tag)
    return names


class TextSampler:
    """The texts of each epoch: vectors of texts from the pools, or new texts."""

    def __init__(self, config: TrainingConfig, data: TrainingData, device: torch.device) -> None:
        self._config, self._data = config, data
        self._vectors = torch.from_numpy(data.vectors).to(device)

    def draw_epoch(self, split: str, rng: np.random.Generator) -> EpochTexts:
        """Return a text, or the row of its vector, for each clip of a split.

        `split` is "train" or "valid". None if the framework reads no texts.
        """
        if self._config.framework == "classification":
            return None
        if self._config.finetune_text:
            clips = (self._data.train if split == "train" else self._data.valid).clips
            return draw_texts(clips, self._config, rng)
        pools = self._data.train_pools if split == "train" else self._data.valid_pools
        choices = (rng.random(len(pools)) * [len(pool) for pool in pools]).astype(int)
        return [self._data.text_rows[pool[choice]] for pool, choice in zip(pools, choices, strict=True)]

    def select_batch(self, texts: EpochTexts, rows: Sequence[int]) -> torch.Tensor | list[str] | None:
        """Return the net's text input for the clips at `rows`: vectors [B, text] or texts."""
        if texts is None:
            return None
        chosen = [texts[row] for row in rows]
        return chosen if self._config.finetune_text else self._vectors[chosen]
