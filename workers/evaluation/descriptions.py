"""Comparison of descriptions with the true tempi or keys of clips."""

from collections.abc import Sequence

import numpy as np

from schemas.benchmarks import Clip
from schemas.descriptions import Description
from workers.evaluation.predictions import DescriptionResults
from workers.metrics.key import key_relation, key_score
from workers.metrics.tempo import OCTAVES, tempo_accuracy

_KEY_RELATIONS = ("exact", "fifth", "relative", "parallel")


def judge_descriptions(task: str, clips: Sequence[Clip], descriptions: Sequence[Description]) -> DescriptionResults:
    """Return the metrics of each clip; `task` is tempo or key.

    The description of a clip is in the same place. Every clip has a true tempo or key. A description without an answer
    is wrong, and not `answered`.
    """
    ids = tuple(clip.clip_id for clip in clips)
    if task == "tempo":
        tempi = [description.bpm for description in descriptions]
        return _judge_tempi(ids, [clip.targets[0] for clip in clips], tempi)
    keys = [_key_name(description) for description in descriptions]
    return _judge_keys(ids, tuple(clip.labels[0] for clip in clips), tuple(keys))


def _judge_tempi(ids: tuple[str, ...], truth: list[float], tempi: list[float | None]) -> DescriptionResults:
    true_tempi, described = np.array(truth, np.float64), np.array(tempi, np.float64)  # None becomes NaN
    values = {
        "accuracy1": tempo_accuracy(true_tempi, described),
        "accuracy2": tempo_accuracy(true_tempi, described, OCTAVES),
        "answered": ~np.isnan(described),
    }
    texts = tuple(None if tempo is None else f"{tempo:.2f}" for tempo in tempi)
    return DescriptionResults(ids, tuple(f"{tempo:.2f}" for tempo in truth), texts, _as_floats(values))


def _judge_keys(ids: tuple[str, ...], truth: tuple[str, ...], keys: tuple[str | None, ...]) -> DescriptionResults:
    relations = np.array([key_relation(*pair) for pair in zip(truth, keys, strict=True)])
    values = {"weighted": key_score(truth, keys)}
    values |= {name: relations == name for name in _KEY_RELATIONS}
    values |= {"answered": np.array([key is not None for key in keys])}
    return DescriptionResults(ids, truth, keys, _as_floats(values))


def _key_name(description: Description) -> str | None:
    if description.musical_key is None or description.mode is None:
        return None
    return f"{description.musical_key} {description.mode}"


def _as_floats(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: column.astype(np.float64) for name, column in values.items()}
